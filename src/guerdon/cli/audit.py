"""The command ``guerdon audit``: which reward, on which tasks, and what is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as Bar
from rich.table import Table

from guerdon import rewards, tasks
from guerdon.audit import (
    ATTACKS,
    KINDS,
    Audit,
    audit,
    best_form,
    probes_of,
)
from guerdon.audit.bench import MEGABYTES
from guerdon.audit.copies import NAMED
from guerdon.audit.folders import audit_folders, folder_probes
from guerdon.audit.page import write_page
from guerdon.audit.shipped import left_out, subjects
from guerdon.audit.tampering import TAMPERINGS
from guerdon.cli.options import UsageError, none_left, number, reading_arguments, whole_number
from guerdon.cli.part_names import part_of
from guerdon.cli.showing import shown
from guerdon.examples import Example, Judges, Probe, sums
from guerdon.parsing.visible import visible
from guerdon.ranges import PositiveInt, Seconds, between

Megabytes = Annotated[int, between(1, 2**30)]


def run(options: dict[str, Any], rest: list[str]) -> int:
    """``guerdon audit``; the exit status is 1 where something is found. Raises UsageError."""
    none_left(rest)
    allowed = tuple(options["allow"].split(",")) if options["allow"] else ()
    names = [attack.name for attack in ATTACKS]
    names += [one.name for one in TAMPERINGS]
    for name in allowed:
        if name not in names:
            raise UsageError(f"--allow: {name!r} is none of the attacks {', '.join(names)}")
    with reading_arguments():
        count = whole_number("--count", options["count"] or "6", PositiveInt)
        seconds = number("--seconds", options["seconds"] or "10", Seconds)
        megabytes = whole_number("--memory", options["memory"] or str(MEGABYTES), Megabytes)
        folders = (options["databases"],) if options["databases"] else ()
        asked = Judges(options["judges"]) if options["judges"] else None
        subject = subject_of(options["reward"], options["tasks"], count, seconds, folders, asked)
        judges = asked or subject.judges
    quiet = options["quiet"] or options["json"]
    with reading_arguments(), Bar(transient=True, disable=quiet) as progress:
        bar = progress.add_task(escape(visible(options["reward"])), total=1.0)
        attack = partial(audit, judges=judges) if judges is not Judges.FILES else audit_folders
        found = attack(
            subject.reward,
            subject.probes,
            options["reward"],
            seconds=seconds,
            megabytes=megabytes,
            watch=lambda done, task: progress.update(
                bar, completed=done, description=escape(visible(task))
            ),
        )
    if options["page"]:
        write_page(found, Path(options["page"]))
    return show_audit(found, allowed, options["json"])


def subject_of(
    text: str,
    path: str | None,
    count: int,
    seconds: float,
    folders: tuple[str, ...] = (),
    asked: Judges | None = None,
) -> Example:
    """What an audit of the reward that ``text`` names is run on.

    The first ``count`` of the tasks at ``path`` (a file or one of our sources), in the form that
    the reward pays best; without a path, the tasks that belong to a reward of ours, and sums for
    any other. ``folders`` are where the reward may open databases. Of tasks that name folders the
    files are tried, unless something else is ``asked`` for. Raises ValueError naming what does not
    fit.
    """
    name = text.partition(":")[0]
    if path is None and asked is Judges.FILES:
        raise ValueError("--judges files: give --tasks with rows that name a folder")
    if path is None and name in left_out():
        raise ValueError(f"{name} is not audited by itself: {left_out()[name]}")
    if path is None and not folders and text in (*rewards.NAMES, *subjects()):
        return _ours(text)
    part = part_of("reward", text)
    if folders:
        if not hasattr(part, "databases"):
            raise ValueError(f"--databases: {name} opens no databases; leave it out")
        part = replace(part, databases=folders)
    if path is None and name in rewards.NAMES:
        return replace(_ours(name), reward=part)
    if path is None:
        probes: Sequence[Probe] = sums()
    else:
        source = part_of("tasks", path)
        splits = ("train", "test") if isinstance(source, tasks.FileTasks) else ("test",)
        rows = [task for split in splits for task in source.load(split)]
        if asked in (None, Judges.FILES):
            held = folder_probes(rows[:count])
            if held:
                return Example(part, tuple(held), Judges.FILES)
        if asked is Judges.FILES:
            raise ValueError(
                f"--judges files: no row of {path} names a folder that exists (columns "
                f"{', '.join(NAMED)}, or any text with a /)"
            )
        probes = probes_of(rows[:count])
    form = best_form(part, probes, seconds)
    return Example(part, tuple(replace(probe, form=form) for probe in probes))


def _ours(name: str) -> Example:
    found = subjects()
    if name not in found:
        raise ValueError(f"{name} lacks what it needs on this machine; see guerdon doctor")
    return found[name]


def show_audit(found: Audit, allowed: tuple[str, ...], as_json: bool) -> int:
    """An audit's table and examples; the exit status is 1 for findings beyond ``allowed``."""
    beyond = found.beyond(allowed)
    status = 1 if beyond else 0
    if as_json:
        print(json.dumps({**found.as_data(), "clean": not beyond, "allowed": allowed}, indent=1))
        return status
    console = Console()
    title = shown(f"{found.reward}: {found.cases} completions")
    table = Table(title=title, title_justify="left")
    for heading in ("attack", "tried", "deserves", "at worst", "found"):
        table.add_column(heading)
    for tally in found.tallies:
        kinds = ", ".join(f"{count} {kind}" for kind, count in tally.found.items())
        if tally.parts:
            kinds += f"\nby {', '.join(f'{part} {count}' for part, count in tally.parts.items())}"
        worst = "–" if tally.worst is None else f"{tally.worst:.2f}"
        table.add_row(tally.attack, str(tally.cases), tally.expect, worst, shown(kinds))
    console.print(table)
    for finding in found.examples(1):
        earned = "" if finding.share is None else f" ({finding.share:.2f} of a right answer)"
        part = f", from {finding.part!r}" if finding.part else ""
        told = f"{finding.kind}, {finding.attack}, {finding.task}{earned}{part} {finding.reason}"
        console.print(shown(told))
        console.print(shown(f"  {finding.completion!r:.160}"), style="dim")
    counts = [f"{found.count(kind)} {kind}" for kind in KINDS if found.count(kind)]
    accepted = len(found.findings) - len(beyond)
    more = f", {accepted} of them allowed" if accepted else ""
    console.print(f"found: {', '.join(counts)}{more}" if counts else "nothing found")
    return status
