"""A run on disk: ``recipe.yaml``, ``metrics.jsonl``, ``rollouts/*.parquet``, ``summary.json``."""

from __future__ import annotations

import json
import math
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from guerdon.failures import Tally
from guerdon.parts import PartError
from guerdon.records import Rollouts, Scores
from guerdon.report import damage, read_failures, read_metrics
from guerdon.report.reading import FAILURES, METRICS, SUMMARY
from guerdon.sealed import SUMS, seal, sync_folder
from guerdon.training.disk import (
    DiskError,
    append_line,
    remove_folder,
    sweep,
    whole_file,
    write_whole,
    writing_to,
)
from guerdon.training.lock import RunLock, RunLocked
from guerdon.training.recipe_file import recipe_text, trust_needed
from guerdon.training.rollout_table import (
    Probes,
    rollout_schema,
    rollout_table,
    schema_of_run,
    with_probes,
    write_table,
)
from guerdon.training.stopping import PartFailed

RECIPE = "recipe.yaml"


class RunFolder:
    """Writes one run. Every file is whole at every moment, or ends at a whole line.

    Making one looks and writes nothing; `claim` takes the folder for this process. Raises
    FileExistsError when the folder already holds a run and ``resume`` is False, and
    FileNotFoundError when there is none to resume.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path, self.resume = Path(path), resume
        self._lock = RunLock(self.path)
        self._made: list[Path] = []  # folders that were not there before, the outermost last
        self._new = False  # whether this run began here
        self._schema: Any = None
        self._look()

    def claim(self, recipe: Any = None) -> None:
        """Lock the folder, and begin a new run in it with ``recipe`` (a part, or its text).

        Raises `RunLocked` where another process writes there, `DiskError` where this one can't.
        """
        if not self.resume:
            above = (self.path, *self.path.parents)
            self._made = [folder for folder in above if not folder.exists()]
        try:
            with writing_to(self.path):
                if not self.resume:
                    self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._look()  # it may have become a run since
        except OSError:
            self.release()
            self._remove_made()
            raise
        if self.resume:
            return
        self._new = True
        try:
            with writing_to(self.path):
                (self.path / "rollouts").mkdir(exist_ok=True)
            write_whole(self.path / RECIPE, recipe_text(recipe))
            self._seal([RECIPE])
        except BaseException:
            self.undo()
            raise

    def release(self) -> None:
        """Let another process have it."""
        self._lock.release()

    def undo(self) -> None:
        """Let it go; if this run began here and has nothing to show, remove what it made."""
        shown = any((self.path / name).exists() for name in (METRICS, "checkpoints"))
        shown = shown or any(self.path.glob(f"*/{RECIPE}"))  # runs of its own inside
        if shown or not self._new:
            self.release()
            return
        self._new = False
        with suppress(OSError):
            sweep(self.path)
            for name in (RECIPE, SUMS):
                (self.path / name).unlink(missing_ok=True)
            (self.path / "rollouts").rmdir()
        self.release()
        if self._made and self._made[0] == self.path:
            shutil.rmtree(self.path, ignore_errors=True)
        self._remove_made()

    def _remove_made(self) -> None:
        for folder in self._made:
            with suppress(OSError):  # not there, or not empty: somebody else uses it by now
                folder.rmdir()

    def metrics(self) -> list[dict[str, Any]]:
        """All steps' figures. Lines that can't be read are left out (see `guerdon.report`)."""
        return read_metrics(self.path)

    def rewind(self, steps: int, say: Callable[[str], None]) -> None:
        """Forget what comes after the first ``steps`` steps: a resumed run does it again.

        ``say`` is told what of the rest is damaged; the damaged metrics stay beside the others.
        """
        wrong = damage(self.path, steps)
        for line in wrong:
            say(line)
        for name in (METRICS, FAILURES):
            if any(line.startswith(name) for line in wrong) and (self.path / name).exists():
                aside = self.path / f"{name}.damaged"
                with writing_to(aside):
                    shutil.copyfile(self.path / name, aside)
                say(f"what can't be read of {name} is left out; all of it is in {aside.name}")
        for folder in (self.path, self.path / "rollouts", self.path / "checkpoints"):
            sweep(folder)
        self._seal([RECIPE])
        (self.path / SUMMARY).unlink(missing_ok=True)
        self.truncate_after(steps - 1)

    def truncate_after(self, step: int) -> None:
        """Forget steps beyond ``step``."""
        for name, told in ((METRICS, self.metrics()), (FAILURES, read_failures(self.path))):
            if (self.path / name).exists():
                kept = "".join(_line(one) for one in told if one["step"] <= step)
                write_whole(self.path / name, kept)
        for file in (self.path / "rollouts").glob("step-*.parquet"):
            if int(file.stem.removeprefix("step-")) > step:
                with writing_to(file):
                    file.unlink()

    def log_metrics(self, figures: dict[str, Any]) -> None:
        """Append one step's figures, "step" among them; on disk when this returns."""
        append_line(self.path / METRICS, _line(figures))

    def amend_metrics(self, figures: dict[str, Any]) -> None:
        """Add to the figures of the newest step."""
        *before, newest = self.metrics()
        lines = map(_line, [*before, {**newest, **figures}])
        write_whole(self.path / METRICS, "".join(lines))

    def log_failures(self, step: int, found: Tally) -> None:
        """Append what the reward failed on, a line for each kind; no file where nothing failed."""
        if found.failures:
            lines = (_line({"step": step, **vars(one)}) for one in found.failures)
            append_line(self.path / FAILURES, "".join(lines))

    def log_rollouts(
        self,
        step: int,
        rollouts: Rollouts,
        scores: Scores,
        advantage_NT: Tensor,
        shaped: Scores,
        token_texts: list[list[str]],
        chosen: Tensor | None = None,
        probes: Probes | None = None,
    ) -> None:
        """Every completion of a step, a row each; see `guerdon.training.rollout_table`.

        ``chosen`` long[R] are the rows that are learned from (None = all). ``probes`` come after
        all others.

        ``token_texts`` lists each row's tokens as text (empty lists for a policy without a
        tokenizer), beside ``token_advantage`` and ``token_logp``. ``advantage`` and ``logp``
        are their means over the positions where the policy acted, 0 where it never did.
        """
        folder = self.path / "rollouts"
        if self._schema is None:
            self._schema = schema_of_run(folder) or rollout_schema(tuple(scores.parts))
        table = rollout_table(
            self._schema, step, rollouts, scores, advantage_NT, shaped, token_texts, chosen
        )
        if probes is not None:
            table = with_probes(table, step, probes, len(rollouts.tasks))
        with whole_file(folder / f"step-{step:06d}.parquet", table.nbytes) as file:
            write_table(table, file)

    def save_model(self, save: Callable[[Path], None], needed: int | None = None) -> None:
        """``model``, whole and sealed, in the place of one that is there.

        ``save`` writes it to the folder that it is given, about ``needed`` bytes.
        """
        final, part = self.path / "model", self.path / "writing-model"
        with writing_to(final, needed):
            shutil.rmtree(part, ignore_errors=True)
            try:
                save(part)
                seal(part)
                # Writers of models make folders that are missing: also a run's that is gone.
                (self.path / RECIPE).stat()
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                with suppress(OSError):
                    self.path.rmdir()  # only what such a writer made is empty
                raise
            remove_folder(final)
            part.rename(final)
            sync_folder(self.path)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """``summary.json``, whole, and the digests of all that will not change any more."""
        write_whole(self.path / SUMMARY, json.dumps(plain(summary), indent=2) + "\n")
        steps = sorted(f"rollouts/{p.name}" for p in (self.path / "rollouts").glob("*.parquet"))
        kept = [n for n in (RECIPE, METRICS, FAILURES, SUMMARY) if (self.path / n).exists()]
        self._seal([*kept, *steps])

    def _seal(self, names: list[str]) -> None:
        with writing_to(self.path / SUMS):
            seal(self.path, names)

    def _look(self) -> None:
        held = any((self.path / name).exists() for name in (RECIPE, METRICS, "checkpoints"))
        if held and not self.resume:
            raise FileExistsError(
                f"{self.path} already holds a run; give another folder with --out or continue "
                f"it with --resume {self.path}"
            )
        if self.resume and not held:
            raise FileNotFoundError(f"{self.path} holds no run to resume")


@contextmanager
def telling_how_to_go_on(folder: Path | None, lost: Callable[[], str]) -> Iterator[None]:
    """Give what ends a run in the middle the command that goes on, and ``lost``: what is redone.

    That is what the disk refuses, and a part that raised inside a step.
    """
    try:
        yield
    except RunLocked:
        raise
    except (DiskError, PartFailed) as error:
        if folder is None or not lost():
            raise
        then = " with" if isinstance(error, PartFailed) else ", then go on with"
        raise type(error)(f"{error}{then} {resume_command(folder)} ({lost()})") from error


def resume_command(folder: Path) -> str:
    """What goes on with a run, ready for a shell; with ``--trust`` where its recipe needs it."""
    trust = ""
    with suppress(PartError):
        trust = trust_needed(folder / RECIPE)
    return " ".join(filter(None, ["guerdon train --resume", shlex.quote(str(folder)), trust]))


def _line(metrics: dict[str, Any]) -> str:
    return json.dumps(plain(metrics)) + "\n"


def plain(value: Any) -> Any:
    """``value`` for JSON, which has no NaN or infinity: they become null."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
