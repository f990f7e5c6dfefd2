"""Forward and backward of groups: guerdon against the package `prefix-grouper`, in turns.

Run: python benchmarks/against_prefix_grouper.py [--prompts 128 512] [--groups 8 16], with
`prefix-grouper` installed (without its dependencies: it needs torch and transformers, which are
there). Writes benchmarks/results/prefix-grouper.json. Times are processor time of one thread.

Both get the same weights and the same head, so what is compared is the decoder over prompts and
completions. Log-probs of the two are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from measuring import median_ratio, origin
from prefix_grouper import PrefixGrouper
from shared_prefix import made_up
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from guerdon.models.linear_head import linear_head, linear_logps
from guerdon.records import Rollouts
from guerdon.rollout import LanguagePolicy

RESULTS = Path(__file__).parent / "results" / "prefix-grouper.json"


def grouper_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
) -> tuple[Tensor, None]:
    """The package's attention on PyTorch's own kernel: it hands over masks of padding alone."""
    grouper = kwargs.pop("prefix_grouper")

    def attend(q: Tensor, k: Tensor, v: Tensor, real: Tensor) -> Tensor:
        place = torch.arange(k.shape[2])
        causal = place <= place[-q.shape[2] :, None]
        allowed = causal & real[:, None, None].bool()
        return sdpa_attention_forward(module, q, k, v, allowed, **kwargs)[0]

    return grouper.forward(attend, query, key, value), None


def grouper_logps(model: Any, rollouts: Rollouts) -> Tensor:
    """Log-probs [M] of all completion tokens, the way the package's page shows."""
    prompts = torch.stack(rollouts.prompts)
    group_size = len(rollouts) // len(prompts)
    grouper = PrefixGrouper.from_ungrouped_masks(
        prefix_mask=torch.ones_like(prompts, dtype=torch.bool),
        suffix_mask=rollouts.mask,
        group_sizes=group_size,
        padding_mode="right",
        device=prompts.device,
    )
    ids = grouper.concat_input(
        prompts, torch.ones_like(prompts, dtype=torch.bool), rollouts.ids, rollouts.mask
    )
    positions = torch.zeros_like(ids)
    for row, lengths in enumerate(rollouts.lengths.view(-1, group_size).tolist()):
        start = prompts.shape[1]
        places = [torch.arange(start), *(start + torch.arange(n) for n in lengths)]
        joined = torch.cat(places)
        positions[row, : len(joined)] = joined
    hidden = model.get_decoder()(
        input_ids=ids,
        position_ids=positions,
        attention_mask=torch.ones_like(ids),
        use_cache=False,
        prefix_grouper=grouper,
    ).last_hidden_state
    _, _, suffix, mask = grouper.split_output(hidden, include_prefix_last=1)
    actions = grouper.convert_padding(rollouts.ids, rollouts.mask, padding_mode="right")
    head, real = linear_head(model, 1.0), mask[:, 1:].bool()
    assert head is not None
    return linear_logps(head, suffix[:, :-1][real], actions[real], False)[0]


def case(mine: LanguagePolicy, peer: LanguagePolicy, prompt: int, group: int, rounds: int) -> Any:
    """Both sides' seconds of a forward and backward, and guerdon's over the other's."""
    rollouts = made_up(prompt, group, 32, max(1, 64 // group if prompt < 512 else 16 // group))
    ways = {
        "guerdon": lambda: mine.forward(rollouts).logps[rollouts.mask],
        "grouper": lambda: grouper_logps(peer.model, rollouts),
    }
    with torch.no_grad():
        gap = float((ways["guerdon"]() - ways["grouper"]()).abs().max())
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, compute in ways.items():
            began = time.process_time()
            compute().sum().backward()
            times[name].append(time.process_time() - began)
    ratio = median_ratio(times["guerdon"][1:], times["grouper"][1:])
    return {
        "prompt": prompt,
        "group": group,
        "largest_difference": gap,
        **{f"{name}_s": statistics.median(seconds[1:]) for name, seconds in times.items()},
        "ratio": [ratio.estimate, ratio.low, ratio.high],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, nargs="+", default=(16, 128, 512))
    parser.add_argument("--groups", type=int, nargs="+", default=(4, 8, 16))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = origin(sys.argv, versions=("prefix_grouper",))
    AttentionInterface.register("prefix_grouper_sdpa", grouper_attention)
    mine, peer = LanguagePolicy.load("seedling"), LanguagePolicy.load("seedling")
    peer.model.get_decoder().config._attn_implementation = "prefix_grouper_sdpa"
    cases = []
    for prompt in arguments.prompts:
        for group in arguments.groups:
            cases.append(case(mine, peer, prompt, group, arguments.rounds))
            print(cases[-1], flush=True)
    RESULTS.write_text(json.dumps({**source, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
