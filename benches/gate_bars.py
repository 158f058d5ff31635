"""The bars that `gate-vs-others` holds the gate to, as arithmetic over its samples. Nothing here measures.

Each bar comes with the figure that would break it, so that `self_test` can see every one of them missed.
"""
import copy, statistics
from dataclasses import dataclass

PARTS = ["load", "scenario", "pacing", "stall", "users", "check"]
TRUTH = {"p95": 500, "p99": 900, "p999": 990}  # Of a server that stands still in the last second of every ten, in ms.


DISTURBED = 0.15  # Of a core, used by what is neither the tool nor the server, while a run lasted.


def undisturbed(samples):
    return [s for s in samples if s["others"] <= DISTURBED]


@dataclass
class Bar:
    part: str
    name: str
    verdict: str  # held, missed, not measured; of a goal: reached, not yet
    seen: str


def of(samples, part, tool, case):
    return [s for s in samples if (s["part"], s["tool"], s["case"]) == (part, tool, str(case))]


def bars(samples):
    return [judged(samples, *bar[:4]) for bar in all_bars()]


def judged(samples, part, name, measure, holds):
    try:
        value = measure(samples)
    except (statistics.StatisticsError, KeyError, TypeError, ZeroDivisionError, ValueError):
        return Bar(part, name, "not measured", "")
    words = ("reached", "not yet") if name.startswith("goal") else ("held", "missed")
    return Bar(part, name, words[0] if holds(value) else words[1], f"{value:.4g}")


def ratio(part, case, figure, other):
    """Ours to the other tool's, round by round: what the machine does falls on both; the median counts."""
    def measure(samples):
        theirs = {s["round"]: s[figure] for s in of(samples, part, other, case)}
        ours = of(samples, part, "farmgate", case)
        return statistics.median(s[figure] / theirs[s["round"]] for s in ours if s["round"] in theirs)
    return measure


def per_second(other):
    """Requests for a second of the tool's processor time, ours to the other's: what the shared server costs is not in it."""
    measure = ratio("scenario", 50, "processor_100k", other)
    return lambda samples: 1 / measure(samples)


def figure(part, case, name, over=statistics.median):
    return lambda samples: over([s[name] for s in of(samples, part, "farmgate", case)])


def undelivered(rate):
    """The worst round's distance from what was asked, by the server's own count, as a share."""
    return lambda samples: max(abs(s["rate"] / rate - 1) for s in of(samples, "pacing", "farmgate", rate))


def miscounted(samples):
    """The largest distance between what we counted and what the server answered, as a share."""
    return max(abs(s["counted"] / s["served"] - 1) for s in samples if s["tool"] == "farmgate" and s["part"] != "check")


def seconds_per_100k_lines(samples):
    return statistics.median(s["wall"] / s["lines"] * 1e5 for s in of(samples, "check", "farmgate", "own"))


def all_bars():
    """Part, name, measure, condition; then which sample (tool, case) and figure break it, and by what factor."""
    at_least, at_most = lambda least: lambda v: v >= least, lambda most: lambda v: v <= most
    rows = []
    for c in (50, 200):
        rows += [
            ("load", f"throughput to oha's at {c}, at least 1", ratio("load", c, "rate", "oha"), at_least(1), "farmgate", c, "rate", 0.9),
            ("load", f"processor time to oha's at {c}, under 1", ratio("load", c, "processor_100k", "oha"), lambda v: v < 1, "farmgate", c, "processor_100k", 2),
            ("load", f"goal: throughput to wrk's at {c}, at least 1", ratio("load", c, "rate", "wrk"), at_least(1), "farmgate", c, "rate", 0.5),
            ("load", f"goal: processor time to wrk's at {c}, at most 1", ratio("load", c, "processor_100k", "wrk"), at_most(1), "farmgate", c, "processor_100k", 4),
        ]
    for other, times in (("k6", 5), ("hurl", 10), ("hurl, 50 copies", 10)):
        rows += [
            ("scenario", f"throughput to that of {other}, at least {times}", ratio("scenario", 50, "rate", other), at_least(times), other, 50, "rate", 3),
            ("scenario", f"goal: requests by processor time to those of {other}, at least {times}", per_second(other), at_least(times), "farmgate", 50, "processor_100k", 3),
        ]
    for r in (1000, 5000, 20000):
        rows += [
            ("pacing", f"{r}/s asked: share missing or too many, at most 0.002", undelivered(r), at_most(0.002), "farmgate", r, "rate", 0.99),
            ("pacing", f"{r}/s asked: median lateness, under 50 us", figure("pacing", r, "lag"), lambda v: v < 50e-6, "farmgate", r, "lag", 10),
        ]
    for name, truth in TRUTH.items():
        rows += [
            ("stall", f"{name} to what the server kept, 1 within 0.02", to_the_servers(name), near(1), "farmgate", "1000/s", name, 0.97),
            ("stall", f"{name} in ms, the schedule's {truth} within 2 %", figure("stall", "1000/s", name), near(truth), "farmgate", "1000/s", name, 0.97),
        ]
    rows += [
        ("users", "MB of 1,000 users with a scenario, under 200", figure("users", 1000, "memory", max), lambda v: v < 200, "farmgate", 1000, "memory", 10),
        ("users", "MB at 20,000/s, under 200", figure("users", "20000/s", "memory", max), lambda v: v < 200, "farmgate", "20000/s", "memory", 10),
        ("users", "growth of memory in the second half at 20,000/s, at most 0.02", figure("users", "20000/s", "late_growth", max), at_most(0.02), "farmgate", "20000/s", "late_growth", 10),
        ("check", "s for 100,000 lines of our own source, under 3", seconds_per_100k_lines, lambda v: v < 3, "farmgate", "own", "wall", 10),
    ]
    rows += [(part, f"{part}: our count to the server's, off by at most 0.001", only(part, miscounted), at_most(0.001), "farmgate", None, "counted", 0.99)
             for part in PARTS if part != "check"]
    return rows


def to_the_servers(name):
    """Our percentile of how long requests waited, as a share of the one that the stalling server kept itself."""
    return lambda samples: statistics.median(s[name] / s["server_" + name] for s in of(samples, "stall", "farmgate", "1000/s"))


def near(truth):
    return lambda value: abs(value / truth - 1) <= 0.02


def only(part, measure):
    return lambda samples: measure([s for s in samples if s["part"] == part])


def good_samples():
    """A run in which every bar holds, by not much."""
    base = {"rate": 100_000, "served": 400_000, "counted": 400_000, "others": 0.1, "processor_100k": 0.7, "memory": 50.0, "wall": 1.0, "lines": 90_000,
            "lag": 20e-6, "late_growth": 0.01, "p95": 498.0, "p99": 905.0, "p999": 985.0, "server_p95": 497.0, "server_p99": 903.0, "server_p999": 986.0}
    make = lambda part, tool, case, **more: {**base, "part": part, "tool": tool, "case": str(case), **more}
    samples = []
    for round_number in range(3):
        base["round"] = round_number
        for c in (50, 200):
            samples += [make("load", "farmgate", c), make("load", "oha", c, rate=95_000, processor_100k=0.9),
                        make("load", "wrk", c, rate=99_000, processor_100k=0.71)]
        samples += [make("scenario", "farmgate", 50, processor_100k=0.05), make("scenario", "k6", 50, rate=19_000), make("scenario", "hurl", 50, rate=9_000), make("scenario", "hurl, 50 copies", 50, rate=9_900)]
        samples += [make("pacing", "farmgate", r, rate=r * 0.999) for r in (1000, 5000, 20000)]
    samples += [make("stall", "farmgate", "1000/s"), make("users", "farmgate", 1000), make("users", "farmgate", "20000/s"), make("check", "farmgate", "own")]
    return samples


def self_test():
    """Breaks the figure behind each bar, and takes it away; returns 0 if that bar, each time, did not hold."""
    rows, wrong = all_bars(), []
    wrong += [f"does not hold at first: {bar.name}" for bar in bars(good_samples()) if bar.verdict not in ("held", "reached")]
    for part, name, measure, holds, tool, case, key, factor in rows:
        touched = lambda s: s["part"] == part and s["tool"] == tool and case in (None, s["case"], int(s["case"]) if s["case"].isdigit() else None)
        worse = copy.deepcopy(good_samples())
        for sample in filter(touched, worse):
            sample[key] *= factor
        if judged(worse, part, name, measure, holds).verdict not in ("missed", "not yet"):
            wrong.append(f"cannot be missed: {name}")
        if judged([s for s in worse if not touched(s)], part, name, measure, holds).verdict != "not measured":
            wrong.append(f"holds without being measured: {name}")
    if undisturbed([{"others": DISTURBED * 2}]):
        wrong.append("a disturbed run counts")
    print("\n".join(wrong) or f"{len(rows)} bars, each seen held, missed and not measured")
    return 1 if wrong else 0
