"""A language model as a policy: it samples completions and says how likely they were."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from guerdon.nursery import seedling_path
from guerdon.records import PolicyOutput, Rollouts, Task
from guerdon.rollout.decoding import Continuations, decode
from guerdon.rollout.episodes import is_played, play
from guerdon.rollout.keyed import row_key
from guerdon.rollout.linear_head import linear_head, linear_logps
from guerdon.rollout.packing import pack
from guerdon.rollout.precision import is_mixed
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
        self,
        model: Any,
        tokenizer: Any,
        *,
        value_head: bool = False,
        mixed_precision: str = "no",
        shared_prefix: bool = True,
    ) -> None:
        """``shared_prefix``: compute a prompt once per group in `forward`, where that pays."""
        self.mixed = is_mixed(mixed_precision)
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
        mixed_precision: str = "auto",
        device: str = "auto",
        value_head: bool = False,
        shared_prefix: bool = True,
    ) -> LanguagePolicy:
        """The seedling, a Hub id, a GGUF file or a local folder (``gguf_file`` names one in it).

        A folder that holds a trained adapter stands for its base model with the adapter
        merged in: a plain model, which can be trained again, with or without another adapter.
        The settings are those of a recipe's `Model`. Raises ValueError for an unknown
        adapter, type, precision or device, and what transformers raises where there is no
        such model.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        kind = getattr(torch, dtype, None)
        if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
            raise ValueError(f"model.dtype is {dtype!r}; use float32, bfloat16 or float16")
        is_mixed(mixed_precision)
        place = _device(device)
        source = str(seedling_path()) if name == "seedling" else name
        base = _adapter_of(source)
        source = base or source
        if gguf_file is None and Path(source).is_file() and source.endswith(".gguf"):
            source, gguf_file = str(Path(source).parent), Path(source).name
        more = {} if gguf_file is None else {"gguf_file": gguf_file}
        with _without_bars():
            tokenizer = AutoTokenizer.from_pretrained(source, **more)
            model = AutoModelForCausalLM.from_pretrained(source, dtype=kind, **_dense(gguf_file))
        if gguf_file is not None:  # what a saved adapter will name as its base
            model.name_or_path = str(Path(source, gguf_file).resolve())
        if base is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, name).merge_and_unload()
            model.requires_grad_(True)  # peft freezes the base
        model = model.to(place)
        if adapter is not None:
            model = _with_adapter(model, adapter, rank)
        return cls(
            model,
            tokenizer,
            value_head=value_head,
            mixed_precision=mixed_precision,
            shared_prefix=shared_prefix,
        )

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
        with _without_bars():
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
        if not len(rollouts):
            nothing = torch.zeros(rollouts.ids.shape)
            return PolicyOutput(nothing, nothing, nothing)
        with self._precision():
            return self._forward(rollouts, needs)

    def _precision(self) -> torch.autocast:
        """Where the model computes: in bfloat16 if the precision is mixed."""
        return torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.mixed)

    def _forward(self, rollouts: Rollouts, needs: frozenset[str]) -> PolicyOutput:
        n, t = rollouts.ids.shape
        device = self.model.device
        row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
        hidden_MH = self._hidden_before(rollouts, row_M, at_M)
        action_M = rollouts.ids[row_M, at_M].to(device)
        logp_M, entropy_M = self._project(
            hidden_MH, action_M, rollouts.temperature, "entropy" in needs
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

    def _project(
        self, hidden_MH: Tensor, action_M: Tensor, temperature: float, want_entropy: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Log-probs [M] of the actions and, if wanted, entropies [M]."""
        head = linear_head(self.model, temperature)
        if head is None:
            return action_logps(self._head, hidden_MH, action_M, temperature, want_entropy)
        return linear_logps(head, hidden_MH, action_M, want_entropy)

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


def _device(name: str) -> torch.device:
    """The device of that name, or accelerate's choice. Raises ValueError if there is none."""
    if name == "auto":
        from accelerate import PartialState

        found: torch.device = PartialState().device
        # Samples are drawn in float64, which Apple's accelerator lacks.
        return torch.device("cpu") if found.type == "mps" else found
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"model.device is {name!r}: {reason}; use 'auto' or 'cpu'") from error


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without transformers' progress bars, which break into our display; downloads keep theirs."""
    from huggingface_hub.utils import are_progress_bars_disabled, enable_progress_bars
    from transformers import modeling_gguf_pytorch_utils as gguf
    from transformers.utils import logging

    shown, downloads = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    unpacking = gguf.tqdm  # this one does not ask whether bars are wanted
    logging.disable_progress_bar()
    gguf.tqdm = partial(unpacking, disable=True)
    try:
        if downloads:
            enable_progress_bars()
        yield
    finally:
        gguf.tqdm = unpacking
        if shown:
            logging.enable_progress_bar()


def _dense(gguf_file: str | None) -> dict[str, Any]:
    """Loading settings of a GGUF file: unpacked, for packed weights can't be trained."""
    if gguf_file is None:
        return {}
    import transformers

    settings: dict[str, Any] = {"gguf_file": gguf_file}
    if hasattr(transformers, "GgufConfig"):  # versions without it always unpack
        settings["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return settings


def _adapter_of(source: str) -> str | None:
    """The base model of the adapter in folder ``source``; None where there is no adapter."""
    file = Path(source, "adapter_config.json")
    if not file.is_file():
        return None
    base = json.loads(file.read_text()).get("base_model_name_or_path")
    if not base:
        raise ValueError(f"{file} names no base model (base_model_name_or_path); write it there")
    return str(base)


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
