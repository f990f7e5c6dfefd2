"""A reward model: a decoder with a scalar head, read at the last token of each response."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guerdon.models.context import context_of, refuse_beyond_context
from guerdon.models.loading import load_classifier, without_bars
from guerdon.models.precision import is_mixed
from guerdon.models.prompts import text_prompt
from guerdon.models.shared_prefix import SharedPrefix
from guerdon.records import Ending, Rollouts, Task, rollouts_of_ids


class RewardModel:
    """A `Scorer`: any transformers decoder with a linear head of one output, or such with peft.

    A response ends with the end-of-text token, and its score is the head's output there. All
    responses to a prompt are scored in one pass in which the prompt is computed once, where
    that pays and the model can do it (`SharedPrefix`). Dropout is off, in training too. The head
    computes in float32 at least: scores in bfloat16 would tie.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        mixed_precision: str = "no",
        shared_prefix: bool = True,
        max_tokens: int = 1024,
    ) -> None:
        """``max_tokens`` bounds a response, its end token included; a longer one is cut."""
        if tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no end-of-text token, where scores are read")
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; a response has at least its end token")
        self.model, self.tokenizer, self.max_tokens = model.eval(), tokenizer, max_tokens
        if model.dtype in (torch.bfloat16, torch.float16):
            model.score.float()
        self.mixed = is_mixed(mixed_precision)
        self.shared_prefix = SharedPrefix(shared_prefix)

    @classmethod
    def load(
        cls,
        name: str = "seedling",
        *,
        gguf_file: str | None = None,
        adapter: str | None = None,
        rank: int = 16,
        dtype: str = "float32",
        mixed_precision: str = "auto",
        device: str = "auto",
        chat_template: str = "",
        shared_prefix: bool = True,
        max_tokens: int = 1024,
        new_head: bool = True,
    ) -> RewardModel:
        """A saved reward model, or a language model with a new head (see `load_classifier`).

        ``new_head`` False takes the former only. The other settings are those of a recipe's
        `Model`. Raises ValueError for an unknown adapter, type, precision or device, and what
        transformers raises where there is no such model.
        """
        is_mixed(mixed_precision)
        model, tokenizer = load_classifier(
            name,
            gguf_file=gguf_file,
            adapter=adapter,
            rank=rank,
            dtype=dtype,
            device=device,
            chat_template=chat_template,
            new_head=new_head,
        )
        return cls(
            model,
            tokenizer,
            mixed_precision=mixed_precision,
            shared_prefix=shared_prefix,
            max_tokens=max_tokens,
        )

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
        module: nn.Module = self.model
        return module

    def save(self, folder: Path) -> None:
        """Weights (safetensors), configuration and tokenizer, as a folder for `load`.

        Transformers reads it as a sequence classifier of one label. That finds a row's end by
        its padding token, so where padding is the end token itself, none is named: transformers
        then takes one row at a time and refuses more, and does not read the wrong token.
        """
        pad = self.tokenizer.pad_token_id
        config = self.model.config.get_text_config()
        config.pad_token_id = None if pad == self.tokenizer.eos_token_id else pad
        with without_bars():
            self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def encode(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Rollouts:
        """The responses to each task as rows for `forward`, one group per task.

        A row is the response's tokens, the end token and one place more: what would be
        predicted there is what the score is read for. ``finished`` is False where a response
        was cut. Raises ValueError for a prompt that the model's context does not hold.
        """
        end = self.tokenizer.eos_token_id
        most = self.max_tokens - 1
        # A token spans a few characters, so this first cut loses nothing; it bounds the work.
        texts = [text[: 32 * self.max_tokens] for some in responses for text in some]
        found = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        sizes = torch.tensor([len(some) for some in responses], dtype=torch.long)
        prompts = [text_prompt(task, self.tokenizer) for task in tasks]
        refuse_beyond_context(context_of(self.model), tasks, prompts)
        return rollouts_of_ids(
            tasks,
            torch.arange(len(tasks)).repeat_interleave(sizes).tolist(),
            prompts,
            [[*ids[:most], end, end] for ids in found],
            [text for some in responses for text in some],
            endings=tuple(
                Ending.FINISHED if len(ids) <= most else Ending.TOKEN_LIMIT for ids in found
            ),
        )

    def score(self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]) -> Tensor:
        """float[N], with gradient where grad mode is on; on the CPU, as `forward`'s."""
        return self.forward(self.encode(tasks, responses))

    def score_tokens(
        self, tasks: Sequence[Task], responses: Sequence[Sequence[str]]
    ) -> tuple[Tensor, ...]:
        """Per response, float[T] at each of its tokens and its end token, the last the score."""
        rows = self.encode(tasks, responses)
        real_NT = rows.mask.clone()
        real_NT[:, 0] = False  # before a response's first token stands its prompt
        values = self._read(rows, *real_NT.nonzero(as_tuple=True))
        return tuple(values.split((rows.lengths - 1).tolist()))

    def forward(self, rows: Rollouts) -> Tensor:
        """float[N], the scores of rows that `encode` made, in any order and selection."""
        return self._read(rows, torch.arange(len(rows)), rows.lengths - 1)

    def _read(self, rows: Rollouts, row_M: Tensor, at_M: Tensor) -> Tensor:
        """float[M], what the head says of the tokens before places ``at`` of ``row``."""
        if not len(row_M):
            return torch.zeros(0)
        place = self.model.device.type
        with torch.autocast(place, torch.bfloat16, enabled=self.mixed):
            pad = self.tokenizer.pad_token_id or 0
            hidden_MH = self.shared_prefix.hidden_before(self.model, rows, row_M, at_M, pad)
        head = self.model.score
        with torch.autocast(place, enabled=False):
            value_M1: Tensor = head(hidden_MH.to(next(head.parameters()).dtype))
        return value_M1[:, 0].cpu()
