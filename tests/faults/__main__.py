"""`python -m tests.faults`: breaks MrData until so many faults were injected; exit status 1 if anything is wrong."""

from __future__ import annotations

import argparse
import sys
import time

from tests.faults import runs


def main() -> int:
    """Prints a line for each kind."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--faults", type=int, default=10_000, help="how many are injected (10000)")
    parser.add_argument(
        "--seed", type=int, default=int(time.strftime("%Y%m%d")), help="what the choices follow from (the date)"
    )
    parser.add_argument("--seconds", type=float, default=float("inf"), help="end after so long")
    parser.add_argument("--workers", type=int, default=2, help="processes (2)")
    given = parser.parse_args()
    totals = runs.run(given.faults, given.seed, given.seconds, given.workers)
    for kind, total in totals.items():
        print(total.line(kind, given.seed))
    return 1 if any(total.wrong for total in totals.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
