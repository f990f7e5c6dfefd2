"""``python -m kills``: figures per kind of run; exit status 1 where a run was not the same."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from kills.entries import ENTRIES
from kills.harness import try_entry, warm_up


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m kills", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="KIND", help=", ".join(ENTRIES))
    parser.add_argument("--seconds", type=float, default=300.0, help="for each kind")
    parser.add_argument("--blows", type=int, help="at most, for each kind")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ENTRIES]
    if unknown:
        parser.error(f"{', '.join(unknown)}: the kinds are {', '.join(ENTRIES)}")
    warm_up()
    faults = []
    for name in options.names or ENTRIES:
        with tempfile.TemporaryDirectory(prefix="guerdon-kills-") as folder:
            tally = try_entry(
                ENTRIES[name],
                Path(folder),
                options.seed,
                at_most=options.blows,
                seconds=options.seconds,
            )
        told = ", ".join(f"{w} {tally.exact[w]}/{n}" for w, n in sorted(tally.tried.items()))
        tried, exact = sum(tally.tried.values()), sum(tally.exact.values())
        print(f"{name}: {exact} of {tried} bit-exact ({told}; {tally.missed} missed)", flush=True)
        faults += tally.faults
        print("".join(f"  {fault}\n" for fault in tally.faults), end="", flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
