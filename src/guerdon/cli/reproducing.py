"""``guerdon reproduce --stale`` and ``--all``: results beside the code of today."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bar

from guerdon.claims import all_claims, code_behind, load_claim
from guerdon.cli.reproduce import ELSEWHERE, run_under
from guerdon.parsing.visible import visible
from guerdon.reproduction import Claim, ClaimError, read, write
from guerdon.reproduction.code import Standing, State, standing
from guerdon.reproduction.compare import compare
from guerdon.reproduction.picture import draw
from guerdon.reproduction.versions import FOLDER, newest, read_version

_RUN_AGAIN = (State.UNKNOWN, State.STALE)


@dataclass(frozen=True)
class _System:
    """A claim, its newest version, and how that stands beside the code of today."""

    claim: Claim
    code: dict[str, str]
    result: Path | None
    standing: Standing


def run(options: dict[str, Any]) -> int:
    """List what is stale; with ``--all`` run that again, one after the other.

    What is written elsewhere as it comes is not run again, so what is begun again goes on where it
    was. Recording stays a command for one system.
    """
    silent = options["quiet"] or options["json"]
    console = Console(quiet=silent)
    systems = {slug: _system(slug) for slug in all_claims()}
    _tell(console, systems)
    rows = {
        slug: {"slug": slug, "was": one.standing.state, "why": one.standing.why}
        for slug, one in systems.items()
    }
    failed = False
    if options["all"]:
        due = {slug: one for slug, one in systems.items() if one.standing.state in _RUN_AGAIN}
        found = _one_after_the_other(console, due, Path(options["out"] or ELSEWHERE), silent)
        failed = len(found) < len(due)
        for slug, told in found.items():
            rows[slug] |= told
    if options["json"]:
        print(json.dumps([*rows.values()], indent=1))
    return 1 if failed else 0


def _system(slug: str) -> _System:
    claim = load_claim(slug)
    code, result = code_behind(claim), newest(FOLDER, slug)
    return _System(claim, code, result, standing(result, claim, code))


def _tell(console: Console, systems: dict[str, _System]) -> None:
    """How the results stand."""
    for state in State:
        some = [slug for slug, one in systems.items() if one.standing.state is state]
        if some:
            console.print(f"{state}: {', '.join(some)}", highlight=False)
    for slug, one in systems.items():
        if one.standing.state is State.STALE:
            console.print(f"  {slug}, {one.standing.why}", highlight=False, markup=False)


def _one_after_the_other(
    console: Console, due: dict[str, _System], folder: Path, silent: bool
) -> dict[str, dict[str, Any]]:
    """What came of each that ran; one that fails keeps none from running."""
    found: dict[str, dict[str, Any]] = {}
    if not due:
        console.print("there is nothing to run")
    with Bar(console=console, transient=True, disable=silent) as progress:
        whole = progress.add_task("", total=max(len(due), 1))
        for number, (slug, one) in enumerate(due.items()):
            progress.update(whole, completed=number, description=f"{number + 1} of {len(due)}")
            try:
                found[slug] = _again(one, folder, progress)
            except Exception as error:  # whatever an arm raises: the others still run
                told = visible(f"{slug} failed: {type(error).__name__}: {error}")
                print(f"guerdon reproduce: {told}", file=sys.stderr)
                continue
            console.print(_told(slug, found[slug]), highlight=False, markup=False)
    return found


def _again(one: _System, folder: Path, progress: Bar) -> dict[str, Any]:
    """Run the seeds of a system's newest version, unless that was done by the code of today."""
    assert one.result is not None
    recorded = read_version(one.result)
    seeds = tuple(int(seed) for seed in recorded["seeds"])
    path = folder / f"{one.claim.slug}.json"
    if not _done(path, seeds, one.code):
        path = write(run_under(progress, one.claim, seeds, one.code), folder)
        draw(path)
    now = read(path)
    figures, differ = compare(recorded, now)
    return {
        "version": recorded["version"],
        "verdict": {"recorded": recorded["verdict"], "now": now["verdict"]},
        "figures": figures,
        "differ": len(differ),
    }


def _done(path: Path, seeds: tuple[int, ...], code: dict[str, str]) -> bool:
    if not path.exists():
        return False
    try:
        known = read(path)
    except ClaimError:
        return False
    return known["seeds"] == [*seeds] and known.get("code") == code


def _told(slug: str, found: dict[str, Any]) -> str:
    """Whether a result stands, in a line."""
    verdict = found["verdict"]
    same = (
        f"all {found['figures']} figures are the same"
        if not found["differ"]
        else f"{found['differ']} of {found['figures']} figures differ"
    )
    changed = (
        f"still {verdict['now']}"
        if verdict["recorded"] == verdict["now"]
        else f"{verdict['now']}, and recorded is {verdict['recorded']}"
    )
    return f"{slug} v{found['version']}: {changed}; {same}"
