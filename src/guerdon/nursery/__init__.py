"""The seedling: a small model that ships with the package, so that miniatures can learn."""

from __future__ import annotations

from typing import Any

from guerdon.nursery.pretrained import (
    ModelError,
    from_pretrained,
    loading,
    model_source,
    seedling_path,
)


def load_seedling() -> tuple[Any, Any]:
    """The seedling in float32 and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = seedling_path()
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(path)


__all__ = [
    "ModelError",
    "from_pretrained",
    "load_seedling",
    "loading",
    "model_source",
    "seedling_path",
]
