"""Counts a JUnit report of nextest: prints `passed failed not_run`, then a line for each test that was not run.

A test that cannot do its work says so in a line beginning with `not run:` and passes; it is not counted as passed.
"""

import sys
import xml.etree.ElementTree as Xml

passed = failed = 0
not_run = []
for case in Xml.parse(sys.argv[1]).getroot().iter("testcase"):
    if case.find("failure") is not None or case.find("error") is not None:
        failed += 1
        continue
    said = "\n".join(part.text or "" for part in case if part.tag in ("system-out", "system-err"))
    reasons = [line.strip() for line in said.splitlines() if line.strip().lower().startswith("not run:")]
    if reasons:
        not_run.append(f"{case.get('classname')} {case.get('name')}: {reasons[0][8:].strip()}")
    else:
        passed += 1
print(passed, failed, len(not_run))
print("\n".join(not_run))
