"""From a recipe's model settings to a policy."""

from __future__ import annotations

from guerdon.rollout import LanguagePolicy
from guerdon.stages import Policy
from guerdon.training.recipe import Model


def load_policy(model: Model) -> Policy:
    """The policy that ``model`` describes, on the best device that accelerate finds."""
    return LanguagePolicy.load(
        model.name,
        gguf_file=model.gguf_file,
        adapter=model.adapter,
        rank=model.rank,
        dtype=model.dtype,
        value_head=model.value_head,
        shared_prefix=model.shared_prefix,
    )
