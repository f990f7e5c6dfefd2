"""What both sides of a comparison work on: the same weights, prompts, lengths and reward."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch

PAD, END = 0, 511
"""The end token lies outside the model's vocabulary: no completion can end before its limit."""

RATE, CLIP = 1e-6, 1.0
"""Learning rate and bound of the gradient norm, on both sides."""

TRL_SETTINGS: dict[str, Any] = {
    "learning_rate": RATE,
    "max_grad_norm": CLIP,
    "lr_scheduler_type": "constant",
    "use_cpu": not torch.cuda.is_available(),
    "bf16": False,
    "gradient_checkpointing": False,
    "dataloader_pin_memory": False,
    "logging_strategy": "no",
    "save_strategy": "no",
    "report_to": "none",
    "disable_tqdm": True,
}
"""What every trainer of TRL's gets: its fastest settings on a processor, and nothing beside the
steps (see docs/benchmarks.md)."""


@dataclass(frozen=True)
class Size:
    """A Llama decoder with tied embeddings; ``tokens_at_once`` bounds a micro-batch's memory."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    tokens_at_once: int


SIZES = {
    "2M": Size(192, 512, 5, 6, 3, tokens_at_once=40_000),
    "25M": Size(512, 1536, 8, 8, 4, tokens_at_once=10_000),
}


@dataclass(frozen=True)
class Workload:
    """One step's work: ``prompts`` prompts of ``prompt_tokens``, ``group_size`` completions each.

    Every completion has exactly ``completion_tokens`` tokens. Raises ValueError for an unknown
    model and for counts below 1.
    """

    model: str = "2M"
    prompt_tokens: int = 6
    completion_tokens: int = 32
    prompts: int = 8
    group_size: int = 8
    threads: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.model not in SIZES:
            raise ValueError(f"there is no model {self.model!r}; there are {', '.join(SIZES)}")
        for name in ("prompt_tokens", "completion_tokens", "prompts", "group_size", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be 1 or more")

    @property
    def rows(self) -> int:
        """Completions per step."""
        return self.prompts * self.group_size

    @property
    def microbatch(self) -> int:
        """Rows per forward pass of the update: the most that divide the batch and fit."""
        length = self.prompt_tokens + self.completion_tokens
        fit = max(1, SIZES[self.model].tokens_at_once // length)
        return max(n for n in range(1, self.rows + 1) if self.rows % n == 0 and n <= fit)

    def forward_flops(self) -> int:
        """Operations of the one forward pass that a step's mathematics needs.

        Each prompt is computed once, and every token of a completion but the last, which
        nothing follows: ``2 * (decoder weights * tokens + head weights * completion tokens)``,
        and ``4 * hidden`` in each layer for each pair of a token and one it attends to (itself
        and all before it). In the last layer a prompt's tokens but its last need only keys and
        values. Norms, activations and rotations are left out.
        """
        size, p, c = SIZES[self.model], self.prompt_tokens, self.completion_tokens
        head_share = size.key_value_heads / size.heads
        attention = int((2 + 2 * head_share) * size.hidden**2)
        layer = attention + 3 * size.hidden * size.intermediate
        unread = self.prompts * (p - 1)
        spared = layer - int(2 * head_share * size.hidden**2)
        tokens = self.prompts * p + self.rows * (c - 1)
        pairs = self.prompts * p * (p + 1) // 2 + self.rows * ((c - 1) * p + c * (c - 1) // 2)
        spared_pairs = self.prompts * p * (p - 1) // 2
        weights = size.layers * layer * tokens - spared * unread
        head = size.hidden * END * self.rows * c
        return 2 * (weights + head) + 4 * size.hidden * (size.layers * pairs - spared_pairs)

    def step_flops(self) -> int:
        """One forward pass to sample; one, and a backward pass of twice its cost, to update."""
        return self.forward_flops() + self.update_flops()

    def update_flops(self) -> int:
        """A forward pass and a backward pass of twice its cost."""
        return 3 * self.forward_flops()


def make_model(work: Workload) -> Any:
    """The randomly initialised model, the same for the same seed; float32, no dropout."""
    from transformers import LlamaConfig, LlamaForCausalLM

    size = SIZES[work.model]
    torch.manual_seed(work.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=END,
            hidden_size=size.hidden,
            intermediate_size=size.intermediate,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            num_key_value_heads=size.key_value_heads,
            max_position_embeddings=8192,
            tie_word_embeddings=True,
            pad_token_id=PAD,
            bos_token_id=None,
            eos_token_id=None,
        )
    )


def make_tokenizer() -> Any:
    """One token per word: n words are n tokens."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": PAD, **{f"w{i}": i for i in range(1, END)}, "<end>": END}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<end>", padding_side="left"
    )


def make_prompts(work: Workload, count: int = 64) -> list[str]:
    """``count`` prompts of random words, each of exactly ``prompt_tokens`` tokens."""
    source = random.Random(work.seed)
    return [
        " ".join(f"w{source.randrange(1, END)}" for _ in range(work.prompt_tokens))
        for _ in range(count)
    ]


def sevens(completion: str) -> float:
    """The reward: how many sevens per word the completion has. It costs next to nothing."""
    return completion.count("7") / (1 + completion.count(" "))
