"""``guerdon score``: saved completions judged by a reward."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.cli.cases import run_cases
from guerdon.cli.options import UsageError, own_output, whole_number
from guerdon.cli.settings import recipe_with
from guerdon.cli.showing import show_score_report
from guerdon.connectors.given import Given, rollouts_of, text_of
from guerdon.failures import refuse_failing, tally
from guerdon.judging import judged
from guerdon.models.loading import load_tokenizer
from guerdon.parsing.visible import visible
from guerdon.ranges import Count
from guerdon.records import Progress, Rollouts, Scores
from guerdon.report import score_report, shown_row
from guerdon.rewards.running.rows import answer_texts
from guerdon.tasks import DataError, check_prompt, read_rows
from guerdon.tasks.reading import name_in
from guerdon.training import PolicyRecipe
from guerdon.training.task_checks import unread_references
from guerdon.traits import judges_several

_OWN_COLUMNS = ("prompt", "completion", "answer", "id", "task_id")


def run(options: dict[str, Any], rest: list[str]) -> int:
    """Score the file by the recipe's reward."""
    worst = whole_number("--worst", options["worst"] or "5", Count)
    trust, path = options["trust"], Path(options["file"])
    recipe = recipe_with(("reward",), options["recipe"] or "grpo", rest, trust=trust)
    if options["cases"]:
        return run_cases(path, recipe.reward, options["json"], trust)
    return score_file(
        recipe,
        path,
        options["json"],
        tokenizer=options["tokenizer"],
        rows=Path(options["rows"]) if options["rows"] else None,
        worst=worst,
    )


def score_file(
    recipe: PolicyRecipe,
    path: Path,
    as_json: bool,
    *,
    tokenizer: str | None = None,
    rows: Path | None = None,
    worst: int = 5,
) -> int:
    """Score saved completions; the exit status is 1 where none of them could be graded."""
    whole_groups = judges_several(recipe.reward)
    if rows is not None and rows.exists() and path.exists() and rows.samefile(path):
        raise UsageError(f"--rows {rows} is the file of completions itself; name another file")
    rollouts, places = read_completions(path, whole_groups, tokenizer)
    for line in unread_references(recipe.reward, rollouts.tasks):
        print(line, file=sys.stderr)
    with own_output():
        scores = judged(recipe.reward, rollouts, Progress())
    refuse_failing(tally(rollouts, scores))
    if said := refused_references(rollouts, scores):
        print(said, file=sys.stderr)
    report = score_report(rollouts, scores, places, worst)
    if rows is not None:
        _write_rows(rows, rollouts, scores, places)
    if as_json:
        print(json.dumps({"file": str(path), "recipe": recipe.name, **report}, allow_nan=False))
    else:
        title = f"{path} scored by {recipe.name}: {report['rows']} completions"
        show_score_report(report, title)
    return 0 if bool(scores.valid.any()) else 1


def refused_references(rollouts: Rollouts, scores: Scores) -> str:
    """The fault where every row is worth 0 or less, and some are their own reference; "" for none.

    A reward that pays nothing for the reference itself does not read it, or not that form.
    """
    if not scores.valid.any() or bool((scores.value[scores.valid] > 0).any()):
        return ""
    own = [
        row
        for row, text in enumerate(rollouts.texts)
        if scores.valid[row]
        and text.strip() in {one.strip() for one in answer_texts(rollouts.task_of(row).answer)[0]}
    ]
    if not own:
        return ""
    return (
        f"No row earns anything, though {len(own):,} of {len(rollouts.texts):,} completions are "
        f"their own reference, e.g. {visible(rollouts.texts[own[0]])!r:.80}: the reward can't read "
        "these references or this form of answer; see docs/graders.md"
    )


def _write_rows(file: Path, rollouts: Rollouts, scores: Scores, places: Sequence[str]) -> None:
    kept = ("row", "place", "id", "value", "valid", "reason", "parts")
    with file.open("w") as lines:
        for row in range(len(places)):
            shown = shown_row(rollouts, scores, places, row)
            lines.write(json.dumps({name: shown[name] for name in kept}, allow_nan=False) + "\n")


def read_completions(
    path: Path, whole_groups: bool, tokenizer: str | None = None
) -> tuple[Rollouts, tuple[str, ...]]:
    """Rollouts of a file of completions (see `read_rows`), and each row's place in it.

    A prompt is text or chat messages; a completion is text, or messages of which the
    assistant's are read. Every row is judged by its own answer and columns; with
    ``whole_groups``, rows of the same ``task_id`` (or ``id``) form a group. A reward that reads
    tokens needs ``tokenizer``; log-probs are never known, and reading them is an error.

    Raises DataError naming file, line and field where a row can't be used.
    """
    encode = _encoder(tokenizer)
    given: list[Given] = []
    places: list[str] = []
    first: dict[str, tuple[Given, str]] = {}
    for where, row in read_rows(path):
        one = _given(row, f"{path}, {where}", len(given) + 1, encode)
        known, at = first.setdefault(str(one.group), (one, where))
        for name in ("prompt", "answer") if whole_groups else ("prompt",):
            if getattr(known, name) != getattr(one, name):
                raise DataError(
                    f"{path}, {where}, field {name!r}: id {one.group!r} was used for another "
                    f"{name} ({at}); give every task its own id"
                )
        given.append(one)
        places.append(where)
    if not given:
        raise DataError(f"{path} holds no completions")
    source = "a file of completions (without --tokenizer)" if encode is None else "a file"
    return rollouts_of(given, source, whole_groups), tuple(places)


def _given(row: Mapping[str, Any], where: str, number: int, encode: Any) -> Given:
    for name in ("prompt", "completion"):
        if row.get(name) is None:
            raise DataError(
                f"{where}, field {name!r}: missing or empty; every row needs prompt and "
                f"completion (it has {', '.join(map(str, row))})"
            )
    check_prompt(row["prompt"], f"{where}, field 'prompt'")
    completion = row["completion"]
    if not isinstance(completion, str):
        check_prompt(completion, f"{where}, field 'completion'")
        completion = text_of(completion)
    name = row.get("task_id", row.get("id"))
    task_id = f"row-{number}" if name is None else name_in(name, f"{where}, field 'id'")
    columns = {k: v for k, v in row.items() if k not in _OWN_COLUMNS}
    return Given(
        completion,
        row["prompt"],
        row.get("answer"),
        {**columns, "task_id": task_id},
        group=task_id,
        ids=None if encode is None else encode(completion),
    )


def _encoder(tokenizer: str | None) -> Any:
    """Text to token ids by a model's tokenizer; None without one."""
    if tokenizer is None:
        return None
    made = load_tokenizer(tokenizer)
    return lambda text: made.encode(
        text.encode("utf-8", "replace").decode(), add_special_tokens=False
    )
