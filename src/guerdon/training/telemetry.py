"""What a run shows and keeps: progress on the terminal, figures and rollouts on disk."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from guerdon.curriculum import Informative
from guerdon.records import Experience, Rollouts, Scores
from guerdon.report import Alarms, alarm_counts, build_report, invalid_counts
from guerdon.training.collect import Collected
from guerdon.training.disk import writing_to
from guerdon.training.display import Display
from guerdon.training.held_out import HeldOut
from guerdon.training.held_out_summary import all_summaries, describe_before, figures_of
from guerdon.training.recipe_file import recipe_text
from guerdon.training.rollout_table import Probes
from guerdon.training.run_folder import RunFolder
from guerdon.training.trackers import Trackers, check_trackers, samples_of


def step_metrics(collected: Collected, figures: dict[str, float]) -> dict[str, float]:
    """One step's figures, flat. Means are over valid rows; shares over all rows.

    Rows that were judged, invalid or failed are counted before the filter: those that it
    dropped were judged too, and those of probes. Probes have figures of their own, ``probe/...``,
    and of all others enter the tokens alone.
    """
    counted = collected.tally
    rollouts, raw = collected.rollouts, collected.raw
    probes = None if collected.probes is None else collected.probes[0]
    tokens = sum(int(some.mask.sum()) for some in (rollouts, probes) if some is not None)
    lengths = rollouts.mask.sum(1).float()
    seconds = {f"seconds/{k}": v for k, v in collected.seconds.items()}
    waited = seconds.get("seconds/waiting", sum(seconds.values()))
    spent = waited + figures.get("seconds/update", 0.0)
    metrics = {
        "reward": _mean(raw.value, raw.valid),
        **{f"part/{name}": _mean(part, raw.valid) for name, part in raw.parts.items()},
        **_diagnostics(raw),
        "shaped_reward": _mean(collected.scores.value, collected.scores.valid),
        "judged_rows": float(counted.rows),
        "invalid_rows": float(counted.invalid),
        "failed_rows": float(counted.failed),
        "invalid_share": counted.invalid / max(counted.rows, 1),
        "failed_share": counted.failed / max(counted.rows, 1),
        "advantage_size": _size(collected.advantage, rollouts, collected.scores),
        **_sampler_gap(rollouts),
        "zero_std_share": _zero_std_share(rollouts, collected.scores),
        "kept_groups": float(len(rollouts.tasks)),
        "sampled_groups": float(collected.sampled),
        "length": float(lengths.mean()) if len(rollouts) else 0.0,
        "truncated_share": 1.0 - float(rollouts.finished.float().mean()) if len(rollouts) else 0.0,
        "sampling_logp": _known_mean(rollouts.logps[rollouts.mask]),
        "tokens": float(tokens),
        "tokens_per_second": tokens / spent if spent else 0.0,
        **_probe_figures(collected),
        **seconds,
        **({} if collected.staleness is None else {"staleness": float(collected.staleness)}),
        **figures,
    }
    if "accuracy" in raw.parts:
        metrics["accuracy"] = metrics["part/accuracy"]
    return metrics


class Telemetry:
    """Everything a run tells the outside. With ``run`` None nothing is written."""

    def __init__(
        self,
        run: RunFolder | None,
        recipe: Any,
        steps: int,
        *,
        quiet: bool = False,
        trackers: Sequence[str] = (),
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """Looks, and writes nothing: that begins with `begin`, when the start is sound.

        A run that is resumed is locked from here on. Raises ImportError for a missing tracker.
        """
        check_trackers(trackers)
        # Now, since a part that can't be written down should not be found out after loading.
        self._recipe_text = "" if run is None or run.resume else recipe_text(recipe)
        self.recipe, self.run = recipe, run
        self.told = {} if told is None else told  # it may fill up as the run proceeds
        self.model: Any = None
        self.display = Display(steps, quiet=quiet)
        self.trackers = Trackers((), None)
        self._names = tuple(trackers)
        self.alarms = Alarms()
        self.history: list[dict[str, Any]] = []

    def __enter__(self) -> Telemetry:
        if self.run is not None and self.run.resume:
            self.run.claim()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.display.__exit__(kind, error, trace)
        try:
            self.trackers.close()
        finally:
            if self.run is not None and error is not None:
                self.run.undo()
            elif self.run is not None:
                self.run.release()

    def begin(
        self, step: int, model: Any, before: Mapping[str, HeldOut], measured: bool = True
    ) -> None:
        """Called once, before the first step of this process (``step`` > 0 on resume).

        ``before`` are the results of held-out sets by name. From here on the run is on disk.
        """
        self.model = model
        if self.run is not None:
            if not self.run.resume:
                self.run.claim(self._recipe_text)
            self.run.rewind(step, self.warn)
            self.history = list(self.run.metrics())
            self.alarms = Alarms(past=[figures.get("alarms") or () for figures in self.history])
        self.trackers = Trackers(self._names, self.run.path if self.run else None, self.recipe)
        self.display.__enter__()
        if step:
            self.note(f"resumed after {step} steps")
        for line in describe_before(before) if measured else ():
            self.note(line)
        if step == 0 and before:
            told = figures_of(before).items()
            self.trackers.log({f"before/{name}": value for name, value in told}, 0)

    def step(self, step: int, collected: Collected | None, metrics: dict[str, float]) -> None:
        """Record one finished step; one without rollouts has figures alone."""
        figures: dict[str, Any] = {"step": step, **metrics}
        self.history.append(figures)
        if collected is not None:
            self._watch(collected, figures)
        self.display.update(step, metrics)
        self.trackers.log(metrics, step)
        if collected is not None:
            self.trackers.show(samples_of(collected), collected.tally.reasons, step)
        if self.run is not None:
            self.run.log_metrics(figures)
        if self.run is not None and collected is not None:
            self.run.log_failures(step, collected.tally)
            self.run.log_rollouts(
                step,
                collected.rollouts,
                collected.raw,
                collected.advantage,
                shaped=collected.scores,
                chosen=collected.chosen,
                token_texts=self._token_texts(collected.rollouts),
                probes=self._with_texts(collected.probes),
            )

    def _watch(self, collected: Collected, figures: dict[str, Any]) -> None:
        """Add to ``figures``, the newest of `history`, what is invalid and which alarms sound."""
        counted = collected.tally
        if counted.invalid:
            figures["invalid"] = counted.reasons
        sounding = self.alarms.look(collected.rollouts, collected.raw, self.history, counted)
        figures["alarms"] = [alarm.name for alarm in sounding]
        for alarm in sounding:
            if alarm.news:
                self.note(f"{alarm.name}: {alarm.message}")

    def amend(self, figures: dict[str, float]) -> None:
        """Add to the figures of the newest step, which came too late for it."""
        if self.run is not None:
            self.history[-1] |= figures
            self.trackers.log(figures, self.history[-1]["step"])
            self.run.amend_metrics(figures)

    def _with_texts(self, probes: tuple[Rollouts, Scores] | None) -> Probes | None:
        return None if probes is None else (*probes, self._token_texts(probes[0]))

    def _token_texts(self, rollouts: Rollouts) -> list[list[str]]:
        """Each row's tokens as text; whole bytes may be missing inside a token."""
        tokenizer = getattr(self.model, "tokenizer", None)
        if tokenizer is None:
            return [[] for _ in range(len(rollouts))]
        known: dict[int, str] = {}
        rows = []
        if not rollouts.ids.shape[1]:  # nothing was chosen by number
            return [[] for _ in range(len(rollouts))]
        for ids, length in zip(rollouts.ids.tolist(), rollouts.lengths.tolist(), strict=True):
            for token in ids[:length]:
                if token not in known:
                    known[token] = tokenizer.decode([token])
            rows.append([known[token] for token in ids[:length]])
        return rows

    def note(self, text: str) -> None:
        """A line above the progress display."""
        self.display.note(text)

    def warn(self, text: str) -> None:
        """A line that a quiet run says as well."""
        print(text, file=sys.stderr)

    def finish(
        self,
        steps: int,
        seconds: float,
        before: Mapping[str, HeldOut],
        after: Mapping[str, HeldOut],
        stopped: Stopped | None = None,
    ) -> None:
        """The trained weights, summary, picture and report.

        They are whole in this order, so a run that has a summary has all that trains on. What
        ``stopped`` says is skipped is left out.
        """
        summary: dict[str, Any] = {
            "recipe": self.recipe.name,
            "steps": steps,
            "seconds": seconds,
            **({"trains": False} if self.model is None else {}),
            **({} if stopped is None else {"stopped": stopped.summary()}),
            "alarms": alarm_counts(self.history),
            "invalid": invalid_counts(self.history),
            **self.told,
            **all_summaries(before, after),
        }
        if after:
            self.trackers.log(figures_of(after), max(steps - 1, 0))
        if self.run is not None:
            save_on_disk(self.run, self.model)
            sum_up_on_disk(self.run, summary, stopped)
        self.display.summary(summary)


@dataclass(frozen=True)
class Stopped:
    """That a run ended before its last step: ``by`` what and ``why``, what was ``skipped``, and
    what to do ``next``.
    """

    by: str
    of: int
    skipped: tuple[str, ...] = ()
    next: str = ""
    why: str = ""

    def summary(self) -> dict[str, Any]:
        """For a summary; no ``next`` where there is nothing to go on with."""
        told = {**vars(self), "skipped": list(self.skipped)}
        return {name: value for name, value in told.items() if value}


PAGE = "page"


def save_on_disk(run: RunFolder, model: Any) -> None:
    """The trained model, whole. One without ``save`` (behind a server) is nobody's here to keep."""
    save = getattr(model, "save", None)
    if save is not None:
        weights = getattr(model, "module", None)
        learned = [] if weights is None else [p for p in weights.parameters() if p.requires_grad]
        run.save_model(save, sum(p.nbytes for p in learned))


def sum_up_on_disk(run: RunFolder, summary: dict[str, Any], stopped: Stopped | None) -> None:
    """Summary and page; where they are goes into ``summary``."""
    summary["folder"] = str(run.path)
    run.write_summary(summary)
    if stopped is None or PAGE not in stopped.skipped:
        with writing_to(run.path / "report.html"):
            summary["report"] = str(build_report(run.path))


def _probe_figures(collected: Collected) -> dict[str, float]:
    """What probes came to, where there were any."""
    if collected.probes is None:
        return {}
    rollouts, raw = collected.probes
    parts = {f"probe/part/{name}": _mean(part, raw.valid) for name, part in raw.parts.items()}
    return {
        "probe/rows": float(len(rollouts)),
        "probe/reward": _mean(raw.value, raw.valid),
        **parts,
        "probe/length": float(rollouts.mask.sum(1).float().mean()),
    }


def _diagnostics(scores: Scores) -> dict[str, float]:
    """Means over the rows that have the figure; those that no row has are left out."""
    means = {
        f"diagnostic/{name}": _mean(figure, torch.isfinite(figure))
        for name, figure in scores.diagnostics.items()
    }
    return {name: mean for name, mean in means.items() if math.isfinite(mean)}


def _mean(value_N: Tensor, valid_N: Tensor) -> float:
    kept = value_N[valid_N & torch.isfinite(value_N)]
    return float(kept.mean()) if len(kept) else float("nan")


def _size(advantage_NT: Tensor, rollouts: Rollouts, scores: Scores) -> float:
    """Mean of |advantage| where the policy acted in valid rows; 0 where it never did."""
    use_NT = rollouts.mask & scores.valid[:, None]
    kept = advantage_NT[use_NT]
    return float(kept.abs().mean()) if len(kept) else 0.0


def _sampler_gap(rollouts: Rollouts) -> dict[str, float]:
    """Mean of ``|ratio - 1|`` between the trainer's log-probs and another sampler's."""
    if rollouts.old_logps is None or not bool(rollouts.mask.any()):
        return {}
    gap_M = (rollouts.old_logps - rollouts.logps)[rollouts.mask].clamp(-20, 20)
    return {"sampler_gap": _known_mean((gap_M.exp() - 1).abs())}


def _known_mean(value_M: Tensor) -> float:
    """Mean over the tokens whose sampler is known; 0 where there are none."""
    known_M = value_M[~value_M.isnan()]
    return float(known_M.sum() / max(len(known_M), 1))


def _zero_std_share(rollouts: Rollouts, scores: Scores) -> float:
    """Share of groups whose valid shaped rewards are all equal (or that have none)."""
    if not rollouts.tasks:
        return 0.0
    return 1.0 - float(Informative()(Experience(rollouts, scores)).float().mean())
