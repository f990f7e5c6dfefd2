"""A token classifier's verdicts on spans: by hand, and a real one at its separators."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from completions import START, rollouts_of
from transformers import AutoModelForTokenClassification, BertConfig, BertForTokenClassification

from guerdon.nursery import load_seedling
from guerdon.parts import build, describe
from guerdon.records import Task
from guerdon.rewards import LabelledSpans, ScorerReward, SpanReward, WeightedSum
from guerdon.rewards.models.labelled_spans import verdicts
from guerdon.rewards.models.spans import sentence_ends

TASK = Task("t", "Who?")
SPANS = ["One cat.", " Two \ud800 cats.", " Three."]


def test_a_class_that_is_not_eligible_is_no_verdict() -> None:
    """Logits of ignore, error and fine; a tie is a fault."""
    logits = torch.tensor([[9.0, 1.0, 2.0], [9.0, 2.0, 1.0], [0.0, 3.0, 3.0]])
    assert verdicts(logits, fault=1, fine=2, magnitude=0.5) == [0.5, -0.5, -0.5]
    assert verdicts(torch.zeros(0, 3), 1, 2, 0.5) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder with three labels, untrained, and the seedling's tokenizer."""
    path = tmp_path_factory.mktemp("labels")
    torch.manual_seed(0)
    _, tokenizer = load_seedling()
    shape = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=48,
        initializer_range=1.0,
        id2label={0: "F-ERR", 1: "Ignore", 2: "O"},
        label2id={"F-ERR": 0, "Ignore": 1, "O": 2},
    )
    BertForTokenClassification(shape).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_the_class_is_read_at_the_separator_before_each_span(folder: Path) -> None:
    part = LabelledSpans(str(folder), magnitude=0.3, asked="Q {prompt} A", separator="#")
    _, tokenizer = load_seedling()
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    mark = tokenizer.encode("#", add_special_tokens=False)
    ids, at = tokenizer.encode("Q Who? A", add_special_tokens=False), []
    for span in SPANS:
        at.append(len(ids))
        ids += mark + tokenizer.encode(span.replace("\ud800", "?"), add_special_tokens=False)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, at]
    expected = [0.3 if fine > fault else -0.3 for fault, _, fine in logits.tolist()]
    assert part(TASK, "", SPANS) == pytest.approx(expected)
    assert part(TASK, "", []) == []
    assert build(describe(part)) == part


def test_what_stands_beyond_the_context_is_not_judged(folder: Path) -> None:
    part = LabelledSpans(str(folder), separator="#")
    found = part(TASK, "", [*SPANS, *["more and more " * 20] * 3])
    assert all(abs(one) == 0.5 for one in found[:3])
    assert found[-2:] == [0.0, 0.0]
    rows = rollouts_of(["One. " * 200], TASK, mask=torch.ones(1, 4).bool())
    whole = SpanReward(part, lambda r, n, ends: [0] * len(ends), sentence_ends)(rows, START)
    assert whole.valid.all()


def test_labels_and_separators_that_are_not_there_are_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no label 'B'; its labels are F-ERR, Ignore, O"):
        LabelledSpans(str(folder), fault="B", separator="#")(TASK, "", SPANS)
    with pytest.raises(ValueError, match=r"separator is 'what\? ', \d+ tokens"):
        LabelledSpans(str(folder), separator="what? ")(TASK, "", SPANS)


def test_a_model_without_labels_is_no_silent_judge(tmp_path: Path) -> None:
    model, tokenizer = load_seedling()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="trained to label tokens"):
        LabelledSpans(str(tmp_path), separator="#")(TASK, "", SPANS)


class Says:
    """A reward model that says its response's number."""

    def score(self, tasks: list[Task], responses: list[list[str]]) -> torch.Tensor:
        return torch.tensor([float(text) for some in responses for text in some])


@pytest.mark.parametrize(("raw", "value"), [("-.4468", 0.0), ("7.8542", 0.3), ("0", 0.01615)])
def test_completeness_by_the_models_own_statistics(raw: str, value: float) -> None:
    """Fine-grained RLHF's third reward: mean -.4468, std 8.301, scale .3, bias 0."""
    scored = ScorerReward(Says(), mean=-0.4468, std=8.301)
    rows = rollouts_of([raw], TASK)
    found = WeightedSum({"complete": scored}, {"complete": 0.3})(rows, START)
    assert found.value.item() == pytest.approx(value, abs=5e-6)
