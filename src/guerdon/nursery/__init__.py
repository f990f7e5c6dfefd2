"""The seedling: a small model that ships with the package, so that miniatures can learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def seedling_path() -> Path:
    """The folder of the seedling's weights and tokenizer (a plain transformers folder)."""
    return Path(__file__).parent / "seedling"


def model_source(name: str) -> str:
    """Where a model of this name is loaded from: ``seedling`` stands for `seedling_path`.

    Any other name, a Hub id or a folder, stays as it is. Recipe files hold names and not paths
    of one machine.
    """
    return str(seedling_path()) if name == "seedling" else name


def load_seedling() -> tuple[Any, Any]:
    """The seedling in float32 and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    path = seedling_path()
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(path)


__all__ = ["load_seedling", "model_source", "seedling_path"]
