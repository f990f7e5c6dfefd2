"""A language model as a policy: it samples completions and says how likely they were."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guerdon.nursery import seedling_path
from guerdon.records import PolicyOutput, Rollouts, Task
from guerdon.rollout.decoding import Continuations, decode
from guerdon.rollout.episodes import is_played, play
from guerdon.rollout.keyed import row_key
from guerdon.rollout.packing import pack
from guerdon.rollout.projection import action_logps
from guerdon.rollout.shared_prefix import SharedPrefix, packed_hidden, padded_hidden
from guerdon.stages import Sampling

ADAPTERS: dict[str, dict[str, bool]] = {
    "lora": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
}


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
    """Any transformers causal language model.

    Dropout is off in sampling and in training, so that a completion's log-probs under the
    policy that sampled it are the same in both.
    """

    def __init__(
        self, model: Any, tokenizer: Any, *, value_head: bool = False, shared_prefix: bool = True
    ) -> None:
        """``shared_prefix``: compute a prompt once per group in `forward`, where that pays."""
        self.actor = Actor(model, value_head)
        self.shared_prefix = SharedPrefix(shared_prefix)
        self.actor.eval()
        self.tokenizer = tokenizer
        if tokenizer.eos_token_id is None:
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
        value_head: bool = False,
        shared_prefix: bool = True,
    ) -> LanguagePolicy:
        """The seedling, a Hub id or a local folder (with ``gguf_file``, a GGUF file in it).

        Raises ValueError for an unknown adapter or dtype, and what transformers raises where
        there is no such model.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        kind = getattr(torch, dtype, None)
        if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
            raise ValueError(f"model.dtype is {dtype!r}; use float32, bfloat16 or float16")
        source = str(seedling_path()) if name == "seedling" else name
        if gguf_file is None and Path(source).is_file() and source.endswith(".gguf"):
            source, gguf_file = str(Path(source).parent), Path(source).name
        more = {} if gguf_file is None else {"gguf_file": gguf_file}
        tokenizer = AutoTokenizer.from_pretrained(source, **more)
        model = AutoModelForCausalLM.from_pretrained(source, dtype=kind, **_dense(gguf_file))
        if torch.cuda.is_available():
            model = model.to("cuda")
        if adapter is not None:
            model = _with_adapter(model, adapter, rank)
        return cls(model, tokenizer, value_head=value_head, shared_prefix=shared_prefix)

    @property
    def model(self) -> Any:
        """The transformers (or peft) model."""
        return self.actor.model

    @property
    def module(self) -> nn.Module:
        """All that is trained."""
        return self.actor

    def save(self, folder: Path) -> None:
        """Weights and tokenizer as a folder that transformers (or peft) loads."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def encode(self, task: Task) -> Tensor:
        """long[P], the prompt's tokens; chat messages go through the chat template."""
        if isinstance(task.prompt, str):
            ids = self.tokenizer.encode(task.prompt)
        else:
            ids = self.tokenizer.apply_chat_template(
                list(task.prompt), add_generation_prompt=True, tokenize=True, return_dict=False
            )
        # A model needs something to continue: an empty prompt is the end of another text.
        return torch.tensor(ids or [self.tokenizer.eos_token_id], dtype=torch.long)

    def sample(
        self, tasks: Sequence[Task], group_size: int, sampling: Sampling, seed: int
    ) -> Rollouts:
        """``group_size`` completions of each task; every prompt is computed once.

        Tasks that are worlds are played instead, for up to ``sampling.max_turns`` turns;
        a batch holds only the one kind or the other.
        """
        if any(map(is_played, tasks)):
            return play(self, tasks, group_size, sampling, seed)
        prompts = [self.encode(task) for task in tasks]
        fan = [b for b in range(len(tasks)) for _ in range(group_size)]
        keys = [row_key(task.id, member) for task in tasks for member in range(group_size)]
        made = self.generate(prompts, keys, sampling, seed, fan=fan)
        width = made.ids.shape[1]
        return Rollouts(
            tasks=tuple(tasks),
            group=torch.tensor(fan, dtype=torch.long),
            prompts=tuple(prompts),
            ids=made.ids,
            mask=torch.arange(width) < made.lengths[:, None],
            lengths=made.lengths,
            logps=made.logps,
            texts=tuple(self.decode(row, n) for row, n in zip(made.ids, made.lengths, strict=True)),
            finished=made.finished,
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
    ) -> Continuations:
        """Continue contexts of any lengths: the step that single- and multi-turn share.

        Row i continues ``contexts[fan[i]]`` (default: context i) with random numbers of its
        own, keyed by ``(seed, keys[i])``.
        """
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
        )

    def decode(self, ids: Tensor, length: Tensor | int) -> str:
        """The text of a row's first ``length`` tokens, special tokens left out."""
        return str(self.tokenizer.decode(ids[: int(length)], skip_special_tokens=True))

    def forward(self, rollouts: Rollouts, needs: frozenset[str] = frozenset()) -> PolicyOutput:
        """Log-probs of the completions (entropy, values if needed), 0 where mask is False.

        Rollouts in which nothing was acted have zeros that are still part of the graph, so a
        loss over them can be differentiated. Raises ValueError when values are needed and the
        policy has no value head.
        """
        n, t = rollouts.ids.shape
        device = self.model.device
        if n == 0:
            return PolicyOutput(torch.zeros(n, t), torch.zeros(n, t), torch.zeros(n, t))
        row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
        hidden_MH = self._hidden_before(rollouts, row_M, at_M)
        action_M = rollouts.ids[row_M, at_M].to(device)
        logp_M, entropy_M = action_logps(
            self._head, hidden_MH, action_M, rollouts.temperature, "entropy" in needs
        )

        def spread(value_M: Tensor) -> Tensor:
            return torch.zeros(n, t, dtype=value_M.dtype).index_put((row_M, at_M), value_M.cpu())

        values = None
        if "values" in needs:
            if self.actor.value_head is None:
                raise ValueError("this objective needs a value head: set model.value_head to True")
            values = spread(self.actor.value_head(hidden_MH)[:, 0].float())
        return PolicyOutput(
            spread(logp_M), None if entropy_M is None else spread(entropy_M), values
        )

    def _hidden_before(self, rollouts: Rollouts, row_M: Tensor, at_M: Tensor) -> Tensor:
        """float[M, H] at the positions that predict the tokens ``ids[row, at]``."""
        device = self.model.device
        if self.shared_prefix.enabled and len(row_M):
            packed = pack(rollouts, device)
            if self.shared_prefix.pays(packed) and self.shared_prefix.works(self.model):
                before_M = packed.before[row_M, at_M].to(device)
                return packed_hidden(self._decoder(), packed)[before_M]
        pad = self.tokenizer.pad_token_id or 0
        hidden_NSH = padded_hidden(self._decoder(), rollouts, pad, device)
        start_N = torch.tensor([len(p) for p in rollouts.prompts])[rollouts.group]
        return hidden_NSH[row_M.to(device), (start_N[row_M] + at_M - 1).to(device)]

    def _decoder(self) -> Any:
        return self.model.get_decoder()

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


def _end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends a completion: the tokenizer's and the generation config's."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    extra = configured if isinstance(configured, list) else [configured]
    return sorted({tokenizer.eos_token_id, *(t for t in extra if t is not None)})


def _dense(gguf_file: str | None) -> dict[str, Any]:
    """Loading settings of a GGUF file: unpacked, for packed weights can't be trained."""
    if gguf_file is None:
        return {}
    import transformers

    settings: dict[str, Any] = {"gguf_file": gguf_file}
    if hasattr(transformers, "GgufConfig"):  # versions without it always unpack
        settings["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return settings


def _with_adapter(model: Any, adapter: str, rank: int) -> Any:
    if adapter not in ADAPTERS:
        raise ValueError(f"model.adapter is {adapter!r}; use {', '.join(ADAPTERS)} or None")
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        **ADAPTERS[adapter],
    )
    return get_peft_model(model, settings)
