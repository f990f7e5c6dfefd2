"""Prompts computed once per group: when it pays, and whether a model can do it exactly."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from guerdon.models.flex_attention import offers_flex
from guerdon.models.image_inputs import hidden_states, joined, packed_positions, positions_of
from guerdon.models.last_layer import reading
from guerdon.models.packing import Packed, context_lengths, pack
from guerdon.models.precision import computed_in
from guerdon.models.shared_attention import CannotShareError, install, sharing
from guerdon.records import Rollouts, Task

WORTH_IT = 1.25
"""Packing pays where the plain computation has this many times the tokens."""

TOLERANCE = {torch.float64: 1e-5, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Largest difference of hidden states that is rounding, as a share of the largest of them."""


class SharedPrefix:
    """Whether and how one model's prompts are computed once per group.

    A model is tried before its first use on a few made-up rows, and before its first use with
    images on a few of the rows at hand. Where the packed computation is not the plain one, or
    can't be done, that is said once and the plain one is used. ``enabled`` False always uses the
    plain one; ``shares`` holds what was found, for "prompts" and "prompts with images". ``flex``
    says whether FlexAttention computes it: where a GPU offers it and it is right, which is tried
    too, gradients included; None until then.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self.shares: dict[str, bool] = {}
        self.flex: bool | None = None

    def pays(self, packed: Packed) -> bool:
        """Whether packing saves enough tokens to be faster."""
        return self.enabled and packed.padded >= WORTH_IT * packed.tokens

    def works(self, model: Any, rollouts: Rollouts | None = None) -> bool:
        """Whether this model gives the same packed for rollouts like these (None: of text)."""
        if not self.enabled:
            return False
        seen = rollouts is not None and rollouts.inputs is not None
        prompts = "prompts with images" if seen else "prompts"
        if prompts not in self.shares:
            rows = _few(rollouts) if rollouts is not None and seen else None
            reason = self._obstacle(model, rows)
            self.shares[prompts] = reason is None
            if reason is not None:
                warnings.warn(
                    f"{type(model).__name__} computes {prompts} once per completion, not once "
                    f"per group: {reason}",
                    stacklevel=4,
                )
        return self.shares[prompts]

    def hidden_before(
        self, model: Any, rollouts: Rollouts, row_M: Tensor, at_M: Tensor, pad: int
    ) -> Tensor:
        """float[M, H] at the positions that predict the tokens ``ids[row, at]``."""
        device = model.device
        if self.enabled and len(row_M):
            packed = pack(rollouts, device)
            if self.pays(packed) and self.works(model, rollouts):
                before_M = packed.before[row_M, at_M].to(device)
                hidden_SH = packed_hidden(model, packed, rollouts, self.flex)
                # A prompt's end is read by its whole group. Plain indexing would add its gradients
                # up in whatever order threads come by, and takes thirty times as long.
                return hidden_SH.index_select(0, before_M)
        hidden_NSH = padded_hidden(model, rollouts, pad, device)
        start_N = torch.tensor([len(p) for p in rollouts.prompts])[rollouts.group]
        at_M = row_M * hidden_NSH.shape[1] + start_N[row_M] + at_M - 1
        return hidden_NSH.flatten(0, 1).index_select(0, at_M.to(device))

    def _obstacle(self, model: Any, rollouts: Rollouts | None) -> str | None:
        if self.flex is None:
            self.flex = offers_flex(model.device)
        reason = obstacle(model, rollouts, self.flex)
        if reason is None or not self.flex:
            return reason
        flawed, self.flex = reason, False
        reason = obstacle(model, rollouts)
        if reason is None:
            warnings.warn(
                f"{type(model).__name__} is computed by SDPA, not FlexAttention: {flawed}",
                stacklevel=5,
            )
        return reason


def packed_hidden(
    model: Any, packed: Packed, rollouts: Rollouts, flex: bool | None = False
) -> Tensor:
    """float[S, H], the last hidden states of a packed row of these rollouts.

    They are meaningless but at ``packed.read``.
    """
    # All ones: without it transformers looks for joints itself, where positions restart.
    row = {"attention_mask": torch.ones_like(packed.ids)}
    decoder = model.get_decoder()
    layers = decoder.config.get_text_config().num_hidden_layers
    seen = rollouts.inputs is not None
    with sharing(packed, layers, seen, bool(flex)) as run, reading(decoder, packed.read):
        if rollouts.inputs is None:
            hidden: Tensor = decoder(
                input_ids=packed.ids, position_ids=packed.positions, use_cache=False, **row
            ).last_hidden_state
        else:
            device = packed.ids.device
            prompts = [
                positions_of(model, ids.to(device), inputs)
                for ids, inputs in zip(rollouts.prompts, rollouts.inputs, strict=True)
            ]
            in_prompt = torch.arange(packed.tokens, device=device)[None] < packed.prompt_tokens
            # A row of token types per group, as masks are asked about positions in a group.
            width = packed.prompts.width + packed.responses.width
            hidden = hidden_states(
                model,
                packed.ids,
                in_prompt,
                position_ids=packed_positions(packed, prompts),
                **row,
                **joined(rollouts.inputs, width, False, device),
            )
    if run.calls < layers:
        raise CannotShareError(f"attention is called {run.calls} times in {layers} layers")
    return hidden[0]


def padded_hidden(model: Any, rollouts: Rollouts, pad: int, device: torch.device) -> Tensor:
    """float[N, S, H], the last hidden states of right-padded rows of prompt and completion.

    As in a packed row, a completion's last token is left out.
    """
    group = rollouts.group.tolist()
    rows = [
        torch.cat([rollouts.prompts[g], ids[:length]])
        for g, ids, length in zip(
            group, rollouts.ids, context_lengths(rollouts.lengths).tolist(), strict=True
        )
    ]
    ids_NS = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=pad).to(device)
    at_S = torch.arange(ids_NS.shape[1], device=device)
    length_N = torch.tensor([len(row) for row in rows], device=device)
    attend_NS = (at_S < length_N[:, None]).long()
    if rollouts.inputs is None:
        hidden: Tensor = model.get_decoder()(
            input_ids=ids_NS, attention_mask=attend_NS, use_cache=False
        ).last_hidden_state
        return hidden
    start_N = torch.tensor([len(rollouts.prompts[g]) for g in group], device=device)
    inputs = joined([rollouts.inputs[g] for g in group], ids_NS.shape[1], False, device)
    in_prompt = at_S < start_N[:, None]
    return hidden_states(model, ids_NS, in_prompt, attention_mask=attend_NS, **inputs)


def obstacle(model: Any, rollouts: Rollouts | None = None, flex: bool = False) -> str | None:
    """Why prompts can't be shared in this model (by FlexAttention), or None where they can.

    It is tried on the rollouts given, else on made-up ones. Leaves the model with our attention
    in the one case and with the one it had in the other.
    """
    config = model.get_decoder().config
    before = config._attn_implementation
    install(config)
    try:
        reason = _difference(model, rollouts, flex)
    # Models that were never meant for this can fail in any way: it is the answer, not a fault.
    except Exception as error:
        reason = str(error) or type(error).__name__
    if reason is not None:
        config._attn_implementation = before
    return reason


def _difference(model: Any, rollouts: Rollouts | None, flex: bool) -> str | None:
    if rollouts is None:
        rollouts = _made_up(model.get_input_embeddings().num_embeddings)
    device = model.device
    packed = pack(rollouts, device)
    start_N = torch.tensor([len(p) for p in rollouts.prompts])[rollouts.group]
    row_M, at_M = rollouts.mask.nonzero(as_tuple=True)
    # A kernel's backward pass is another kernel; ours are the same everywhere, and tested.
    weight = next((w for w in model.get_decoder().parameters() if w.requires_grad and flex), None)
    with torch.set_grad_enabled(weight is not None):
        mine = packed_hidden(model, packed, rollouts, flex)[packed.before[rollouts.mask]]
        plain = padded_hidden(model, rollouts, 0, device)[row_M, start_N[row_M] + at_M - 1]
        pairs = {"result": (mine, plain)}
        if weight is not None:
            pull = torch.arange(mine.numel(), device=device).cos().view_as(mine)
            (a,), (b,) = (torch.autograd.grad((x * pull).sum(), [weight]) for x in (mine, plain))
            pairs["gradient"] = (a, b)
    for what, (a, b) in pairs.items():
        a, b = a.detach().double(), b.detach().double()
        worst = float((a - b).abs().max() / b.abs().max())
        if not worst <= TOLERANCE.get(computed_in(model.dtype, device), 1e-4):  # NaN is wrong too
            return f"the {what} differs from the plain one by {worst:.1e} of its size"
    return None


def refuse_foresight(model: Any, rollouts: Rollouts) -> None:
    """Raises ValueError where a completion's later tokens change what comes before them.

    Some models that see read whatever they are given in one pass as a prompt, in which every
    token sees all others; log-probs from such a pass are no completion's.
    """
    few = _few(rollouts)
    cut = replace(few, lengths=few.lengths.clamp_max(2))
    rows = torch.arange(len(few))
    first = torch.tensor([len(p) for p in few.prompts])[few.group] - 1
    with torch.no_grad():
        whole, short = (padded_hidden(model, r, 0, model.device)[rows, first] for r in (few, cut))
    gap = float((whole - short).abs().max() / whole.abs().max())
    if gap > TOLERANCE.get(computed_in(model.dtype, model.device), 1e-4):
        raise ValueError(
            f"{type(model).__name__} lets tokens see later ones where a prompt shows images, so it "
            "can't say how likely a completion is; use another vision-language model"
        )


def _few(rollouts: Rollouts) -> Rollouts:
    """The two longest completions of each of two groups, of one that shows images first."""
    inputs = rollouts.inputs or ()
    longest = torch.argsort(rollouts.lengths, descending=True, stable=True)
    groups = sorted(rollouts.group.unique().tolist(), key=lambda g: not inputs[g])[:2]
    return rollouts.select(torch.cat([longest[rollouts.group[longest] == g][:2] for g in groups]))


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
    )
