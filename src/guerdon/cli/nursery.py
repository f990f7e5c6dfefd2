"""``guerdon nursery grow``: a seedling of another seed."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.progress import Progress as Bar

from guerdon.cli.options import UsageError, whole_number
from guerdon.models.sources import grown_path, seedling_path
from guerdon.ranges import Seed


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Grow it unless it is there, and say where it lies."""
    if options["action"] != "grow":
        raise UsageError(f"ACTION is {options['action']!r:.60}; give grow")
    seed = whole_number("--seed", options["seed"] or "0", Seed)
    folder, kept = _place(seed, options["out"])
    started = time.perf_counter()
    if not kept:
        _grow(seed, folder, silent=options["quiet"] or options["json"])
    seconds = round(time.perf_counter() - started)
    if options["json"]:
        told = {"seed": seed, "path": str(folder), "grown": not kept, "seconds": seconds}
        print(json.dumps(told))
    else:
        print(folder)
    return 0


def _place(seed: int, out: str | None) -> tuple[Path, bool]:
    """The folder, and whether the seedling already lies there."""
    if out is None:
        folder = grown_path(seed) if seed else seedling_path()
        return folder, folder.is_dir()
    folder = Path(out).expanduser()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"there is something in {folder} already; give an empty folder to --out")
    return folder, False


def _grow(seed: int, folder: Path, *, silent: bool) -> None:
    """Grown beside its place and moved there whole, so what is interrupted leaves nothing."""
    from guerdon.nursery.growing import Growth, grow

    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".growing-", dir=folder.parent))
    try:
        made.chmod(0o755)
        with Bar(transient=True, disable=silent) as bar:
            shown = bar.add_task(f"seedling {seed}", total=1.0)
            grow(Growth(seed), made, lambda done: bar.update(shown, completed=done))
        if folder.is_dir():  # of another who grew it meanwhile, or the empty one of --out
            shutil.rmtree(folder)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
