"""``guerdon reproduce``: a paper's claim in miniature, or one after the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from rich.markup import escape
from rich.progress import Progress as Bar

from guerdon.claims import code_behind, load_claim
from guerdon.cli.options import UsageError, reading_arguments, whole_number
from guerdon.cli.showing import show_comparison, show_reproduction
from guerdon.ranges import Seed, between
from guerdon.reproduction import Claim, Reproduction, Verdict, read, run_claim, write
from guerdon.reproduction.compare import compare
from guerdon.reproduction.history import commit_of, text_at
from guerdon.reproduction.picture import draw
from guerdon.reproduction.versions import (
    FOLDER,
    check_new,
    fresh_seeds,
    newest,
    pilot_seeds,
    read_version,
    record,
)

ELSEWHERE = Path("runs", "reproduced")
"""Where what is no version of a result is written."""
Seeds = tuple[int, ...] | int | None
"""These, so many, or as many as is usual."""


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Run the claim, or those that are asked for; write and show what comes of it."""
    if _several(options, rest):
        from guerdon.cli import reproducing

        return reproducing.run(options)
    with reading_arguments():
        claim, seeds = load_claim(options["slug"]), _seeds(rest)
        known = newest(FOLDER, claim.slug)
    if options["record"]:
        return _recorded(claim, seeds, options)
    if options["pilot"] or known is None:
        return _piloted(claim, seeds, options)
    return _rerun(claim, seeds, known, options)


def _recorded(claim: Claim, seeds: Seeds, options: dict[str, Any]) -> int:
    """Run a claim on fresh seeds and write what comes of it as the system's next version."""
    folder, because = Path(options["out"] or FOLDER), (options["because"] or "").strip()
    code = code_behind(claim)
    with reading_arguments():
        chosen = seeds if isinstance(seeds, tuple) else fresh_seeds(claim, folder, seeds)
        commit = commit_of(code)
        notes = text_at(commit, FOLDER / claim.slug / "notes.md")
        check_new(claim, chosen, folder, because, notes)
    result = _run_shown(claim, chosen, code, options)
    path = record(result, folder, because, commit)
    picture = draw(path)
    _show(result, path, picture, options)
    if not options["json"]:
        print("commit both in a commit of their own, with no change to recipe or claim")
    return 0 if result.verdict == Verdict.SHOWN else 1


def _piloted(claim: Claim, seeds: Seeds, options: dict[str, Any]) -> int:
    """Run a claim on seeds that no result uses."""
    with reading_arguments():
        chosen = pilot_seeds(claim, seeds)
    result = _run_shown(claim, chosen, code_behind(claim), options)
    path = write(result, Path(options["out"] or ELSEWHERE), f"{claim.slug}-pilot")
    _show(result, path, draw(path), options)
    if not options["json"]:
        why = "" if options["pilot"] else f", since there is none in {FOLDER / claim.slug}"
        print(f"a pilot, on seeds that no result uses{why}: it is no version of the result")
    return 0 if result.verdict == Verdict.SHOWN else 1


def _rerun(claim: Claim, seeds: Seeds, known: Path, options: dict[str, Any]) -> int:
    """Run the seeds of the newest version again, and say what is the same."""
    with reading_arguments():
        recorded = read_version(known)
        chosen = _again(recorded["seeds"], seeds, known)
    result = _run_shown(claim, chosen, code_behind(claim), options)
    path = write(result, Path(options["out"] or ELSEWHERE))
    picture = draw(path)
    figures, differ = compare(recorded, read(path))
    if options["json"]:
        told = {
            "recorded": str(known),
            "verdict": {"recorded": recorded["verdict"], "now": result.verdict},
            "figures": figures,
            "differ": [one._asdict() for one in differ],
            "result": read(path),
        }
        print(json.dumps(told, indent=1))
    else:
        _show(result, path, picture, options)
        show_comparison(known, recorded, result, figures, differ)
    return 1 if differ else 0


def _again(recorded: list[int], seeds: Seeds, known: Path) -> tuple[int, ...]:
    """Which of a version's seeds are run again. Raises UsageError for others."""
    if not isinstance(seeds, tuple):
        return tuple(recorded[:seeds])
    if others := [seed for seed in seeds if seed not in recorded]:
        told = " ".join(map(str, recorded))
        raise UsageError(
            f"seed {others[0]} is not one of {known}, which has {told}; --pilot tries others"
        )
    return seeds


def _show(result: Reproduction, path: Path, picture: Path, options: dict[str, Any]) -> None:
    if options["json"]:
        print(path.read_text())
    else:
        show_reproduction(result, read(path))
        print(f"{path}\n{picture}")


def _run_shown(
    claim: Claim, seeds: tuple[int, ...], code: dict[str, str], options: dict[str, Any]
) -> Reproduction:
    with Bar(transient=True, disable=options["quiet"] or options["json"]) as progress:
        return run_under(progress, claim, seeds, code)


def run_under(
    progress: Bar, claim: Claim, seeds: tuple[int, ...], code: dict[str, str]
) -> Reproduction:
    """Run one claim under a bar of its own."""
    bar = progress.add_task(escape(claim.slug), total=1.0)
    try:
        return run_claim(
            claim,
            seeds,
            lambda done, label: progress.update(
                bar, completed=done, description=f"{escape(claim.slug)}: {escape(label)}"
            ),
            code,
        )
    finally:
        progress.remove_task(bar)


def _several(options: dict[str, Any], rest: list[str]) -> bool:
    """Whether not one system is meant. Raises UsageError where that can't be told."""
    asked = [name for name in ("slug", "all", "stale") if options[name]]
    ways = [name for name in ("record", "pilot", "because") if options[name]]
    if rest and (not options["slug"] or options["slug"].isdigit()):
        raise UsageError(f"{rest[0]} belongs to one system: give its SLUG first")
    if not asked:
        raise UsageError("give SLUG, or --all, or --stale")
    if len(asked) > 1:
        told = " and ".join(options["slug"] if name == "slug" else f"--{name}" for name in asked)
        raise UsageError(f"{told} can't be asked for at once; leave one out")
    if ways and asked != ["slug"]:
        raise UsageError(
            f"--{ways[0]} belongs to one system: give its SLUG in place of --{asked[0]}"
        )
    if options["record"] and options["pilot"]:
        raise UsageError("--record and --pilot can't be asked for at once: a pilot is not recorded")
    if options["because"] and not options["record"]:
        raise UsageError("--because is the reason of a version: give --record with it")
    return asked != ["slug"]


def _seeds(rest: list[str]) -> Seeds:
    """``--seeds 3`` is so many; ``--seeds 0 4 7`` are these."""
    if not rest:
        return None
    if rest[0] != "--seeds":
        raise UsageError(f"unknown argument {rest[0]!r}; --seeds takes whole numbers")
    if not rest[1:]:
        raise UsageError("--seeds is empty; give how many, or several seeds")
    if len(rest) == 2:
        return whole_number("--seeds", rest[1], Annotated[int, between(1, 10_000)])
    seeds = tuple(whole_number("--seeds", one, Seed) for one in rest[1:])
    if len(set(seeds)) < len(seeds):
        raise UsageError("--seeds names a seed twice, which would count one run as two")
    return seeds
