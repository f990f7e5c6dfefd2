"""Adapters: a few weights that are trained in place of a model's own."""

from __future__ import annotations

from typing import Any

ADAPTERS: dict[str, dict[str, bool]] = {
    "lora": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
    "rsdora": {"use_dora": True, "use_rslora": True},
}


def with_adapter(model: Any, adapter: str, rank: int, task: str = "CAUSAL_LM") -> Any:
    """The model with a new adapter, which alone is trained (and a head, by peft's ``task``).

    Raises ValueError for an unknown kind of adapter.
    """
    if adapter not in ADAPTERS:
        raise ValueError(f"model.adapter is {adapter!r}; use {', '.join(ADAPTERS)} or None")
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type=task,
        **ADAPTERS[adapter],
    )
    return get_peft_model(model, settings)
