"""From a recipe's model settings to a policy."""

from __future__ import annotations

from guerdon.rollout import LanguagePolicy
from guerdon.stages import Policy
from guerdon.training.recipe import Model


def load_policy(model: Model) -> Policy:
    """The policy that ``model`` describes, sampled by the engine it names."""

    def load() -> LanguagePolicy:
        return LanguagePolicy.load(
            model.name,
            gguf_file=model.gguf_file,
            adapter=model.adapter,
            rank=model.rank,
            dtype=model.dtype,
            mixed_precision=model.mixed_precision,
            device=model.device,
            value_head=model.value_head,
            shared_prefix=model.shared_prefix,
        )

    return model.engine.start(model.name, load)


def starting_policy() -> Policy:
    """The seedling before training, for tasks with references of its own making."""
    return load_policy(Model())
