"""Prompts computed once per group: when it pays, and whether a model can do it exactly."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from guerdon.records import Rollouts, Task
from guerdon.rollout.last_layer import reading
from guerdon.rollout.packing import Packed, context_lengths, pack
from guerdon.rollout.precision import computed_in
from guerdon.rollout.shared_attention import CannotShareError, install, sharing

WORTH_IT = 1.25
"""Packing pays where the plain computation has this many times the tokens."""

TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference of hidden states that is rounding, as a share of the largest of them."""


class SharedPrefix:
    """Whether and how one model's prompts are computed once per group.

    A model is tried before its first use on a few made-up rows. Where the packed computation
    is not the plain one, or can't be done, that is said once and the plain one is used.
    ``enabled`` False always uses the plain one.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self.checked = False

    def pays(self, packed: Packed) -> bool:
        """Whether packing saves enough tokens to be faster."""
        return self.enabled and packed.padded >= WORTH_IT * packed.tokens

    def works(self, model: Any) -> bool:
        """Whether this model gives the same packed; it is tried once."""
        if self.enabled and not self.checked:
            self.checked = True
            reason = obstacle(model)
            if reason is not None:
                self.enabled = False
                warnings.warn(
                    f"{type(model).__name__} computes prompts once per completion, not once per "
                    f"group: {reason}",
                    stacklevel=4,
                )
        return self.enabled


def packed_hidden(decoder: Any, packed: Packed) -> Tensor:
    """float[S, H], the last hidden states of a packed row; meaningless but at ``packed.read``."""
    layers = decoder.config.get_text_config().num_hidden_layers
    with sharing(packed, layers) as run, reading(decoder, packed.read):
        hidden: Tensor = decoder(
            input_ids=packed.ids,
            position_ids=packed.positions,
            # All ones: without it transformers looks for joints itself, where positions restart.
            attention_mask=torch.ones_like(packed.ids),
            use_cache=False,
        ).last_hidden_state[0]
    if run.calls < layers:
        raise CannotShareError(f"attention is called {run.calls} times in {layers} layers")
    return hidden


def padded_hidden(decoder: Any, rollouts: Rollouts, pad: int, device: torch.device) -> Tensor:
    """float[N, S, H], the last hidden states of right-padded rows of prompt and completion.

    As in a packed row, a completion's last token is left out.
    """
    rows = [
        torch.cat([rollouts.prompts[group], ids[:length]])
        for group, ids, length in zip(
            rollouts.group.tolist(),
            rollouts.ids,
            context_lengths(rollouts.lengths).tolist(),
            strict=True,
        )
    ]
    ids_NS = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad)
    length_N = torch.tensor([len(row) for row in rows])
    attend_NS = (torch.arange(ids_NS.shape[1]) < length_N[:, None]).long()
    hidden: Tensor = decoder(
        input_ids=ids_NS.to(device), attention_mask=attend_NS.to(device), use_cache=False
    ).last_hidden_state
    return hidden


def obstacle(model: Any) -> str | None:
    """Why prompts can't be shared in this model, or None where they can.

    Leaves the model with our attention in the one case and with its own in the other.
    """
    decoder = model.get_decoder()
    base = install(decoder.config)
    try:
        with torch.no_grad():
            reason = _difference(decoder, model)
    # Models that were never meant for this can fail in any way: it is the answer, not a fault.
    except Exception as error:
        reason = str(error) or type(error).__name__
    if reason is not None:
        decoder.config._attn_implementation = base
    return reason


def _difference(decoder: Any, model: Any) -> str | None:
    rollouts = _made_up(model.get_input_embeddings().num_embeddings)
    device = model.device
    packed = pack(rollouts, device)
    mine = packed_hidden(decoder, packed)[packed.before[rollouts.mask]].double()
    start_N = torch.tensor([len(p) for p in rollouts.prompts])[rollouts.group]
    row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
    plain = padded_hidden(decoder, rollouts, 0, device)[row_M, start_N[row_M] + at_M - 1].double()
    worst = float((mine - plain).abs().max() / plain.abs().max())
    if worst <= TOLERANCE.get(computed_in(model.dtype, device), 1e-4):
        return None
    return f"the result differs from the plain one by {worst:.1e} of its size"


def _made_up(vocabulary: int) -> Rollouts:
    """Two groups of unlike prompts with completions of 9, 0, 4 and 6, 2 tokens."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([9, 0, 4, 6, 2])
    mask = torch.arange(9) < lengths[:, None]
    return Rollouts(
        tasks=(Task("a", ""), Task("b", "")),
        group=torch.tensor([0, 0, 0, 1, 1]),
        prompts=tuple(torch.randint(vocabulary, (n,), generator=generator) for n in (12, 7)),
        ids=torch.randint(vocabulary, (5, 9), generator=generator),
        mask=mask,
        lengths=lengths,
        logps=torch.zeros(5, 9),
        texts=("",) * 5,
        finished=torch.ones(5, dtype=torch.bool),
    )
