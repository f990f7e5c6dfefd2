"""A token classifier's verdict on every span of a completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guerdon.models.context import context_of
from guerdon.models.loaded import loaded
from guerdon.models.loading import load_token_classifier
from guerdon.ranges import Filled, FloatType, Positive, check_ranges
from guerdon.records import Task
from guerdon.rewards.running.rows import encodable


def verdicts(logit_SC: Tensor, fault: int, fine: int, magnitude: float) -> list[float]:
    """``magnitude`` for each span with a larger logit of ``fine`` than of ``fault``, else minus it.

    ``logit_SC`` float[S, C]: other classes are not eligible, whatever their logits.

    >>> verdicts(torch.tensor([[9.0, 1.0, 2.0]]), fault=1, fine=2, magnitude=0.5)
    [0.5]
    """
    better_S = logit_SC[:, fine] > logit_SC[:, fault]
    return torch.where(better_S, magnitude, -magnitude).tolist()


@dataclass(frozen=True)
class LabelledSpans:
    """A `SpanScorer`: a transformers token classifier says of each span whether it has a fault.

    It reads the question and then the spans, each with ``separator`` before it, where its class
    is read (Fine-Grained RLHF, 2306.01693). Of the labels ``fault`` and ``fine`` alone are
    eligible: a third, such as "Ignore", marks what the training left out. A span is worth
    ``magnitude`` or minus that (`verdicts`); one that begins beyond the model's context is worth 0.
    The model is loaded at the first call, and shared. Raises ValueError where it lacks a label or
    the separator is no single token.
    """

    model: Filled
    """Its folder, or its Hub id."""
    fault: str = "F-ERR"
    """The label of a span with a fault."""
    fine: str = "O"
    """The label of one without."""
    magnitude: Positive = 0.5
    """What a span's verdict is worth."""
    asked: str = "question: {prompt} answer:"
    """What stands before the spans; ``{prompt}`` is the task's."""
    separator: str = ""
    """The token before each span; empty: the tokenizer's own."""
    dtype: FloatType = "float32"
    """What weights are held in."""
    device: str = "auto"
    """Where it is computed; auto: where there is one."""

    def __post_init__(self) -> None:
        check_ranges(self)

    @torch.no_grad()
    def __call__(self, task: Task, text: str, spans: Sequence[str]) -> list[float]:
        """A number for each of the ``spans`` of one completion."""
        model, tokenizer = loaded(self, load_token_classifier, self.model, self.dtype, self.device)
        ids, places = self._read(tokenizer, task, spans)
        limit = context_of(model) or len(ids)
        seen = [place for place in places if place < limit]
        if not seen:
            return [0.0] * len(spans)
        given = torch.tensor([ids[:limit]], device=model.device)
        logit_SC = model(input_ids=given).logits[0, seen].float().cpu()
        fault, fine = (self._label(model, name) for name in (self.fault, self.fine))
        found = verdicts(logit_SC, fault, fine, self.magnitude)
        return found + [0.0] * (len(spans) - len(seen))

    def _read(
        self, tokenizer: Any, task: Task, spans: Sequence[str]
    ) -> tuple[list[int], list[int]]:
        """The tokens that the model reads, and the place of the separator before each span."""
        mark = tokenizer.encode(
            self.separator or tokenizer.sep_token or "", add_special_tokens=False
        )
        if len(mark) != 1:
            raise ValueError(
                f"LabelledSpans.separator is {self.separator!r}, {len(mark)} tokens to the "
                f"tokenizer of {self.model}; name the one token that stood before each span in "
                "training"
            )
        begin = [] if tokenizer.cls_token_id is None else [tokenizer.cls_token_id]
        before = self.asked.replace("{prompt}", str(task.prompt))
        ids = begin + tokenizer.encode(encodable(before), add_special_tokens=False)
        places = []
        for span in spans:
            places.append(len(ids))
            ids += mark + tokenizer.encode(encodable(span), add_special_tokens=False)
        return ids, places

    def _label(self, model: Any, name: str) -> int:
        known = model.config.label2id
        if name not in known:
            raise ValueError(
                f"{self.model} has no label {name!r}; its labels are {', '.join(known)}: name two "
                "of them as LabelledSpans.fault and .fine"
            )
        return int(known[name])
