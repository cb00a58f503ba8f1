"""``make mutation``: how every change of accepted evidence is refused, and how often it was tried.

Exit status 1 when anything was accepted, crashed, or was answered with an outage that evidence is
to blame for.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from mutations import amd_cases, intel_cases, other_cases
from mutations.sweep import Case, Result, Tally, sweep


def all_cases() -> list[Case]:
    """Every accepted piece of evidence, those that take long first."""
    found = [*amd_cases.cases(), *intel_cases.cases(), *other_cases.cases()]
    return sorted(found, key=lambda case: -case.cost)


def main() -> int:
    """Sweep what was asked for, and print the counts."""
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("--effort", type=float, default=2.0, help="seconds for each part (2)")
    parser.add_argument("--full", action="store_true", help="every bit and length, for hours")
    parser.add_argument("--tee", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--processes", type=int, default=2, help="at once (2)")
    chosen = parser.parse_args()
    wanted = [case for case in all_cases() if not chosen.tee or case.tee in chosen.tee]
    effort = 1e9 if chosen.full else chosen.effort
    began = time.monotonic()
    with ProcessPoolExecutor(chosen.processes) as pool:
        names = [(case.tee, case.name) for case in wanted]
        results = [each for found in pool.map(partial(_sweep_one, effort), names) for each in found]
    print(report(results))
    print(f"{time.monotonic() - began:.0f} s on {chosen.processes} processes")
    return 1 if any(result.faults for result in results) else 0


def _sweep_one(effort: float, name: tuple[str, str]) -> list[Result]:
    (case,) = (each for each in all_cases() if (each.tee, each.name) == name)
    return sweep(case, effort)


def report(results: Iterable[Result]) -> str:
    """The counts of each TEE, then whatever should not have happened."""
    results = list(results)
    by_tee: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_tee[result.tee].append(result)
    lines = []
    for tee in sorted(by_tee):
        cases = {result.case for result in by_tee[tee]}
        lines.append(f"{tee}: {len(cases)} accepted, {len(by_tee[tee])} parts")
        for kind, name in (("flips", "bits changed"), ("cuts", "cut short")):
            lines += _counts(name, [getattr(result, kind) for result in by_tee[tee]])
    faults = [
        f"  {result.tee}, {result.case}, {result.part}: {fault}"
        for result in results
        for fault in result.faults
    ]
    return "\n".join([*lines, f"faults: {len(faults)}", *faults[:200]])


def _counts(name: str, tallies: list[Tally]) -> list[str]:
    reasons: Counter[str] = Counter()
    for tally in tallies:
        reasons.update(tally.reasons)
    tried, possible = sum(each.tried for each in tallies), sum(each.possible for each in tallies)
    refused = tried - sum(count for code, count in reasons.items() if code == "accepted")
    lines = [f"  {name}: tried {tried} of {possible}, refused {refused}"]
    return lines + [f"    {count:8} {code}" for code, count in reasons.most_common()]


if __name__ == "__main__":
    sys.exit(main())
