"""A language model as a policy: it samples completions and says how likely they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from guerdon.keyed import row_key
from guerdon.models.chat import turn_end
from guerdon.models.context import context_of, refuse_beyond_context
from guerdon.models.image_inputs import Inputs
from guerdon.models.linear_head import linear_head, linear_logps
from guerdon.models.loading import load_model, load_value_head, save_value_head, without_bars
from guerdon.models.precision import is_mixed
from guerdon.models.projection import action_logps, largest_logps
from guerdon.models.prompts import Prompt, image_prompt, images_of, text_prompt
from guerdon.models.shared_prefix import SharedPrefix, refuse_foresight
from guerdon.records import PolicyOutput, Rollouts, Task, rollouts_of_ids
from guerdon.rollout.decoding import Continuations, decode
from guerdon.rollout.episodes import is_played, play
from guerdon.stages import Sampling

LARGEST = 20
"""How many of the likeliest tokens' log-probs are told where they are asked for."""


class Actor(nn.Module):
    """The trainable module: a causal language model and, if asked for, a value head."""

    def __init__(self, model: Any, value_head: bool = False) -> None:
        super().__init__()
        self.model = model
        self.value_head: nn.Linear | None = None
        if value_head:
            self.value_head = nn.Linear(model.config.get_text_config().hidden_size, 1)
            nn.init.zeros_(self.value_head.weight)
            nn.init.zeros_(self.value_head.bias)
            self.value_head.to(device=model.device, dtype=model.dtype)


class LanguagePolicy:
    """Any transformers causal language model, or vision-language model that writes text.

    Dropout is off in sampling and in training, so that a completion's log-probs under the
    policy that sampled it are the same in both.
    """

    couples: ClassVar[str] = "row"

    def __init__(
        self,
        model: Any,
        reader: Any,
        *,
        value_head: bool = False,
        mixed_precision: str = "no",
        shared_prefix: bool = True,
    ) -> None:
        """``reader``: the model's tokenizer, or its processor, which reads images too.

        ``shared_prefix``: compute a prompt once per group in `forward`, where that pays.
        Raises ValueError for a tokenizer without an end-of-text token.
        """
        self.mixed = is_mixed(mixed_precision)
        self.actor = Actor(model, value_head)
        self.shared_prefix = SharedPrefix(shared_prefix)
        self.looks_back = False  # until it was tried on a prompt with images
        self.actor.eval()
        self.reader = reader
        self.tokenizer = getattr(reader, "tokenizer", reader)
        if self.tokenizer.eos_token_id is None:
            raise ValueError("the tokenizer has no end-of-text token, so no completion could end")

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
        value_head: bool = False,
        chat_template: str = "",
        shared_prefix: bool = True,
    ) -> LanguagePolicy:
        """The seedling, a Hub id, a GGUF file or a local folder (``gguf_file`` names one in it).

        A folder that holds a trained adapter stands for its base model with the adapter
        merged in: a plain model, which can be trained again, with or without another adapter.
        A new value head says 0, unless the folder is that of a policy which had one.
        A vision-language model comes with its processor. The settings are those of a recipe's
        `Model`. Raises ValueError for an unknown adapter, type, precision or device, ImportError
        where the processor needs a package that is missing, and what transformers raises where
        there is no such model.
        """
        is_mixed(mixed_precision)
        model, reader = load_model(
            name,
            gguf_file=gguf_file,
            adapter=adapter,
            rank=rank,
            dtype=dtype,
            device=device,
            chat_template=chat_template,
        )
        made = cls(
            model,
            reader,
            value_head=value_head,
            mixed_precision=mixed_precision,
            shared_prefix=shared_prefix,
        )
        if made.actor.value_head is not None:
            load_value_head(made.actor.value_head, name)
        return made

    @property
    def model(self) -> Any:
        """The transformers (or peft) model."""
        return self.actor.model

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
        return self.actor

    def save(self, folder: Path) -> None:
        """Weights and tokenizer or processor as a folder that transformers (or peft) loads.

        A value head lies beside them, for a policy with one that is loaded from there.
        """
        with without_bars():
            self.model.save_pretrained(folder)
        self.reader.save_pretrained(folder)
        if self.actor.value_head is not None:
            save_value_head(self.actor.value_head, folder)

    def encode(self, task: Task) -> Tensor:
        """long[P], a prompt of text (see `text_prompt`).

        Raises ValueError if it shows images, and for one that the model's context does not hold.
        """
        ids = text_prompt(task, self.tokenizer)
        refuse_beyond_context(context_of(self.model), [task], [ids])
        return ids

    def prompt(self, task: Task) -> Prompt:
        """What the model reads of a task: tokens, and its images where it can see.

        Raises ValueError where it can't and the task shows some.
        """
        if self.reader is self.tokenizer or (isinstance(task.prompt, str) and not images_of(task)):
            return Prompt(self.encode(task))
        shown = image_prompt(task, self.reader)
        refuse_beyond_context(context_of(self.model), [task], [shown.ids])
        return shown

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` completions of each task; every prompt is computed once.

        Tasks that are worlds are played instead, for up to ``sampling.max_turns`` turns;
        a batch holds only the one kind or the other. Raises ValueError for a prompt that the
        model's context does not hold.
        """
        if any(map(is_played, tasks)):
            return play(self, tasks, group_size, sampling, seed)
        prompts = [self.prompt(task) for task in tasks]
        ids, inputs = tuple(p.ids for p in prompts), tuple(p.inputs for p in prompts)
        fan = [b for b in range(len(tasks)) for _ in range(group_size)]
        keys = [row_key(task.id, member) for task in tasks for member in range(group_size)]
        made = self.generate(ids, keys, sampling, seed, fan=fan, inputs=inputs)
        width = made.ids.shape[1]
        return Rollouts(
            tasks=tuple(tasks),
            group=torch.tensor(fan, dtype=torch.long),
            prompts=ids,
            inputs=inputs if any(inputs) else None,
            ids=made.ids,
            mask=torch.arange(width) < made.lengths[:, None],
            lengths=made.lengths,
            logps=made.logps,
            texts=tuple(self.decode(row, n) for row, n in zip(made.ids, made.lengths, strict=True)),
            endings=made.endings,
            temperature=sampling.temperature or 1.0,
        )

    def generate(
        self,
        contexts: Sequence[Tensor],
        keys: Sequence[int],
        sampling: Sampling,
        seed: int,
        *,
        fan: Sequence[int] | None = None,
        inputs: Sequence[Inputs] | None = None,
    ) -> Continuations:
        """Continue contexts of any lengths: the step that single- and multi-turn share.

        Row i continues ``contexts[fan[i]]`` (default: context i) with random numbers of its
        own, keyed by ``(seed, keys[i])``. ``inputs`` are what goes with each context, if any
        shows images.
        """
        with self._precision():
            return decode(
                self.model,
                contexts,
                list(range(len(contexts))) if fan is None else list(fan),
                keys,
                sampling,
                seed,
                end=_end_tokens(self.model, self.tokenizer),
                pad=self.tokenizer.pad_token_id or 0,
                text_of=lambda ids: str(self.tokenizer.decode(ids)),
                inputs=inputs if inputs and any(inputs) else None,
            )

    def decode(self, ids: Tensor, length: Tensor | int) -> str:
        """The text of a row's first ``length`` tokens, special tokens left out."""
        return str(self.tokenizer.decode(ids[: int(length)], skip_special_tokens=True))

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs of the completions, 0 where mask is False.

        ``needs`` may hold "entropy", "values" and "largest", the log-probs of the `LARGEST`
        likeliest tokens.

        Rollouts in which nothing was acted have zeros that are still part of the graph, so a
        loss over them can be differentiated. Raises ValueError when values are needed and the
        policy has no value head.
        """
        if not len(rollouts):
            nothing = torch.zeros(rollouts.ids.shape)
            return PolicyOutput(nothing, nothing, nothing, nothing[..., None][..., :0])
        refuse_beyond_context(context_of(self.model), rollouts.tasks, rollouts.prompts)
        with self._precision():
            return self._forward(rollouts, needs)

    def final_values(self, rollouts: Rollouts) -> Tensor:
        """float[N]: what the value head says once a row is read whole that a limit ended.

        Read is also what a world said last (`Rollouts.unread`). NaN for other rows. Raises
        ValueError where the policy has no value head.
        """
        cut = [row for row, ending in enumerate(rollouts.endings) if ending.cut]
        final_N = torch.full((len(rollouts),), math.nan)
        if cut:
            rows = _read_whole(rollouts.select(torch.tensor(cut)))
            values_NT = self.forward(rows, frozenset({"values"})).values
            assert values_NT is not None
            final_N[cut] = values_NT[rows.mask]
        return final_N

    def _precision(self) -> torch.autocast:
        """Where the model computes: in bfloat16 if the precision is mixed."""
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.mixed)

    def _forward(self, rollouts: Rollouts, needs: frozenset[str]) -> PolicyOutput:
        n, t = rollouts.ids.shape
        device = self.model.device
        row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
        tried = self.looks_back or rollouts.inputs is None
        if not tried and int(rollouts.lengths.max()) > 2:  # shorter ones can't tell
            refuse_foresight(self.model, rollouts)
            self.looks_back = True
        pad = self.tokenizer.pad_token_id or 0
        hidden_MH = self.shared_prefix.hidden_before(self.model, rollouts, row_M, at_M, pad)
        action_M = rollouts.ids[row_M, at_M].to(device)
        logp_M, entropy_M, largest_MK = self._project(
            hidden_MH,
            action_M,
            rollouts.temperature,
            "entropy" in needs,
            LARGEST if "largest" in needs else 0,
        )

        def spread(value: Tensor) -> Tensor:
            table = torch.zeros(n, t, *value.shape[1:], dtype=value.dtype)
            return table.index_put((row_M, at_M), value.cpu())

        values = None
        if "values" in needs:
            if self.actor.value_head is None:
                raise ValueError("this objective needs a value head: set model.value_head to True")
            values = spread(self.actor.value_head(hidden_MH)[:, 0].float())
        return PolicyOutput(
            spread(logp_M),
            None if entropy_M is None else spread(entropy_M),
            values,
            spread(largest_MK) if "largest" in needs else None,
        )

    def _project(
        self, hidden_MH: Tensor, action_M: Tensor, temperature: float, want_entropy: bool, top: int
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Log-probs [M] of the actions, entropies [M] if wanted, ``top`` largest [M, top]."""
        head = linear_head(self.model, temperature)
        if head is not None:
            return linear_logps(head, hidden_MH, action_M, want_entropy, top)
        largest_MK = largest_logps(self._head, hidden_MH, temperature, top)
        made = action_logps(self._head, hidden_MH, action_M, temperature, want_entropy)
        return *made, largest_MK

    def _head(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.model.get_output_embeddings()(hidden)
        config = self.model.config.get_text_config()
        scale = getattr(config, "logit_scale", None)
        if scale is not None:
            logits = logits * scale
        divisor = getattr(config, "logits_scaling", None)
        if divisor is not None:
            logits = logits / divisor
        cap = getattr(config, "final_logit_softcapping", None)
        return logits if cap is None else torch.tanh(logits / cap) * cap


def _read_whole(rollouts: Rollouts) -> Rollouts:
    """Rows with one place more, of which nothing but what stands before it is asked."""
    unread = rollouts.unread or (torch.zeros(0, dtype=torch.long),) * len(rollouts)
    ids = [
        [*row[:length].tolist(), *more.tolist(), 0]
        for row, length, more in zip(rollouts.ids, rollouts.lengths.tolist(), unread, strict=True)
    ]
    made = rollouts_of_ids(
        rollouts.tasks,
        rollouts.group.tolist(),
        rollouts.prompts,
        ids,
        ("",) * len(ids),
        inputs=rollouts.inputs,
        temperature=rollouts.temperature,
    )
    last_NT = torch.arange(made.mask.shape[1]) == made.lengths[:, None] - 1
    return replace(made, mask=last_NT)


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends a completion: the tokenizer's, the generation config's, a turn's."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    extra = configured if isinstance(configured, list) else [configured]
    ends = {tokenizer.eos_token_id, turn_end(tokenizer), *extra}
    return sorted(t for t in ends if t is not None)
