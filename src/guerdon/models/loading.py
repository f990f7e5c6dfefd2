"""From a name to a transformers model and what reads for it: its tokenizer or its processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from guerdon.extras import install
from guerdon.nursery import ModelError, from_pretrained, loading, model_source
from guerdon.parsing.strict_json import strict_json
from guerdon.sealed import refuse_damaged

ADAPTERS: dict[str, dict[str, bool]] = {
    "lora": {},
    "dora": {"use_dora": True},
    "rslora": {"use_rslora": True},
}


def load_model(
    name: str,
    *,
    gguf_file: str | None = None,
    adapter: str | None = None,
    rank: int = 16,
    dtype: str = "float32",
    device: str = "auto",
) -> tuple[Any, Any]:
    """The model and its tokenizer, or its processor where it reads images too.

    See `LanguagePolicy.load`. Raises ValueError for an unknown adapter, type or device, ModelError
    (a ValueError too) where there is no such model or none that can be read, and ImportError
    where the processor needs a package that is missing.
    """
    kind = getattr(torch, dtype, None)
    if not isinstance(kind, torch.dtype) or not kind.is_floating_point:
        raise ValueError(f"model.dtype is {dtype!r}; use float32, bfloat16 or float16")
    place = device_named(device)
    source = model_source(name)
    refuse_damaged(Path(source))
    base = adapter_base(source)
    if base is not None:
        base = model_source(base)
        refuse_damaged(Path(base))
    source = base or source
    if gguf_file is None and Path(source).is_file() and source.endswith(".gguf"):
        source, gguf_file = str(Path(source).parent), Path(source).name
    with without_bars():
        model, reader = _pretrained(source, gguf_file, kind)
    if base is not None:
        from peft import PeftModel

        with loading(name):
            model = PeftModel.from_pretrained(model, name).merge_and_unload()
        model.requires_grad_(True)  # peft freezes the base
    model = model.to(place)
    return model if adapter is None else with_adapter(model, adapter, rank), reader


def _pretrained(source: str, gguf_file: str | None, kind: torch.dtype) -> tuple[Any, Any]:
    from transformers import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
        AutoTokenizer,
    )

    more = {} if gguf_file is None else {"gguf_file": gguf_file}
    # transformers adapts GGUF configurations while it loads the weights; those read text alone.
    config = None if gguf_file is not None else from_pretrained(AutoConfig, source)
    sees = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    reader = _processor(source) if sees else from_pretrained(AutoTokenizer, source, **more)
    auto = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    model = from_pretrained(auto, source, dtype=kind, **_dense(gguf_file))
    if gguf_file is not None:  # what a saved adapter will name as its base
        model.name_or_path = str(Path(source, gguf_file).resolve())
    return model, reader


def _processor(source: str) -> Any:
    """The processor; the tokenizer of a model that was kept without one, to be read as text."""
    from transformers import AutoProcessor, AutoTokenizer

    try:
        return from_pretrained(AutoProcessor, source)
    except ModelError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        return from_pretrained(AutoTokenizer, source)
    except ImportError as error:
        raise ImportError(
            f"the processor of {source} needs a package that is not installed: "
            f"{install('vision')} (torchvision has to fit the installed torch)\n"
            f"{error}"
        ) from error


def device_named(name: str) -> torch.device:
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
def without_bars() -> Iterator[None]:
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


def adapter_base(source: str) -> str | None:
    """The base model of the adapter in folder ``source``; None where there is no adapter."""
    file = Path(source, "adapter_config.json")
    if not file.is_file():
        return None
    with loading(source):
        settings = strict_json(file.read_text(encoding="utf-8"))
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if not base or not isinstance(base, str):
        raise ValueError(f"{file} names no base model (base_model_name_or_path); write it there")
    return base


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
