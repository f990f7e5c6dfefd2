"""From a name to a model and what reads for it: the one place where pretrained files are opened.

A model's folder may be anybody's. Its own code is never run, and weights are read as plain tensors.
Whatever is loaded (a policy, a reward model, an encoder) may be ``seedling``, a Hub id, a folder,
a GGUF file, or the folder of an adapter, which is merged into its base.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from guerdon.extras import install
from guerdon.models.adapters import with_adapter
from guerdon.models.chat import template_named
from guerdon.models.precision import device_named, dtype_named
from guerdon.models.sources import Files, ModelError, files_of, loading


def load_model(
    name: str,
    *,
    gguf_file: str | None = None,
    adapter: str | None = None,
    rank: int = 16,
    dtype: str = "float32",
    device: str = "auto",
    chat_template: str = "",
) -> tuple[Any, Any]:
    """The model and its tokenizer, or its processor where it reads images too.

    See `LanguagePolicy.load`; ``chat_template`` names one in place of the model's own, "" leaves
    that. Raises ValueError for an unknown adapter, type, device or template, ModelError
    (a ValueError too) where there is no such model or none that can be read, and ImportError
    where the processor needs a package that is missing.
    """
    kind, place = dtype_named(dtype), device_named(device)
    template = template_named(chat_template) if chat_template else None
    files = files_of(name, gguf_file)
    with without_bars():
        model, reader = _language_model(files, kind)
    if chat_template:
        _write_chats(reader, template)
    model = _with_merged(model, files).to(place)
    return model if adapter is None else with_adapter(model, adapter, rank), reader


def load_encoder(name: str, *, dtype: str = "float32", device: str = "auto") -> tuple[Any, Any]:
    """A model without its head, frozen, and its tokenizer. Raises as `load_model`."""
    from transformers import AutoModel, AutoModelForCausalLM

    kind, place = dtype_named(dtype), device_named(device)
    files = files_of(name)
    # An adapter names weights as they are in the whole model.
    auto = AutoModel if files.adapter is None else AutoModelForCausalLM
    with without_bars():
        tokenizer = _tokenizer(files)
        model = _with_merged(_weights(auto, files, dtype=kind), files)
    model = model if files.adapter is None else model.base_model
    return model.eval().requires_grad_(False).to(place), tokenizer


def load_classifier(
    name: str,
    *,
    gguf_file: str | None = None,
    adapter: str | None = None,
    rank: int = 16,
    dtype: str = "float32",
    device: str = "auto",
    chat_template: str = "",
    new_head: bool = True,
) -> tuple[Any, Any]:
    """A decoder with a scalar head (a sequence classifier of one label), and its tokenizer.

    ``name`` is that of a reward model, of a language model, or of an adapter trained on either.
    A language model's head is new, drawn from torch's global generator; without ``new_head`` it
    is refused. Raises ValueError for that, where the model is no decoder or has other heads, and
    as `load_model`.
    """
    kind, place = dtype_named(dtype), device_named(device)
    template = template_named(chat_template) if chat_template else None
    files = files_of(name, gguf_file)
    with without_bars():
        tokenizer = _tokenizer(files)
        if chat_template:
            _write_chats(tokenizer, template)
        model, has_head = _classifier(files, kind)
    if files.adapter is not None:
        model, brings_head = _classifier_merged(model, files)
        has_head |= brings_head
    if not (has_head or new_head):
        raise ValueError(
            f"{files.adapter or files.weights} is a language model without a head that scores; "
            "train one with guerdon train --pairs FILE --reward-model"
        )
    model = model.to(place)
    return model if adapter is None else with_adapter(model, adapter, rank, "SEQ_CLS"), tokenizer


def load_token_classifier(
    name: str, dtype: str = "float32", device: str = "auto"
) -> tuple[Any, Any]:
    """A frozen model with a label for every token, and its tokenizer.

    Raises ModelError where its head is not among the weights, and as `load_model`.
    """
    from transformers import AutoModelForTokenClassification

    kind, place = dtype_named(dtype), device_named(device)
    files = files_of(name)
    with without_bars():
        tokenizer = _tokenizer(files)
        model, found = _weights(
            AutoModelForTokenClassification, files, dtype=kind, output_loading_info=True
        )
    if lacking := sorted(found["missing_keys"]):
        raise ModelError(
            f"{files.weights} lacks {len(lacking)} weights of {type(model).__name__}, the first "
            f"{lacking[0]}; name a model that was trained to label tokens"
        )
    return _with_merged(model, files).eval().requires_grad_(False).to(place), tokenizer


def _write_chats(reader: Any, template: str | None) -> None:
    """Let a tokenizer, or a processor and its tokenizer, write chats by this template."""
    reader.chat_template = template
    if hasattr(reader, "tokenizer"):
        reader.tokenizer.chat_template = template


VALUE_HEAD = "value_head.safetensors"
"""What a language policy's value head is saved in, beside its model."""


def save_value_head(head: nn.Linear, folder: Path) -> None:
    """Write a value head's weights beside those of its model."""
    from safetensors.torch import save_file

    held = {name: value.detach().cpu().contiguous() for name, value in head.state_dict().items()}
    save_file(held, folder / VALUE_HEAD)


def load_value_head(head: nn.Linear, name: str) -> None:
    """Give ``head`` the weights that lie beside the model ``name``, if any do.

    Raises ModelError where they are not this head's.
    """
    from safetensors.torch import load_file

    file = Path(os.path.expanduser(name), VALUE_HEAD)
    if file.is_file():
        with loading(str(file)):
            head.load_state_dict(load_file(file))


def load_tokenizer(name: str) -> Any:
    """The tokenizer of the model of that name. Raises ModelError where there is none."""
    return _tokenizer(files_of(name))


def _from_pretrained(kind: Any, source: str, **settings: Any) -> Any:
    """``kind.from_pretrained(source, ...)`` without the folder's own code.

    Raises ModelError in one sentence for whatever the library says, but for missing packages
    (ImportError).
    """
    with loading(os.path.join(source, settings.get("gguf_file") or "").rstrip("/")):
        return kind.from_pretrained(source, trust_remote_code=False, **settings)


def _weights(auto: Any, files: Files, **settings: Any) -> Any:
    """The weights of ``files``, as ``auto`` reads them; those of a GGUF file are unpacked."""
    return _from_pretrained(auto, files.weights, **_dense(files.gguf_file), **settings)


def _tokenizer(files: Files) -> Any:
    from transformers import AutoTokenizer

    if files.gguf_file is not None:
        return _from_pretrained(AutoTokenizer, files.weights, gguf_file=files.gguf_file)
    return _from_pretrained(AutoTokenizer, files.with_tokenizer)


def _language_model(files: Files, kind: torch.dtype) -> tuple[Any, Any]:
    from transformers import (
        MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForImageTextToText,
    )

    # transformers adapts GGUF configurations while it loads the weights; those read text alone.
    config = None if files.gguf_file is not None else _from_pretrained(AutoConfig, files.weights)
    sees = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    reader = _processor(files) if sees else _tokenizer(files)
    auto = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    model = _weights(auto, files, dtype=kind)
    if files.gguf_file is not None:  # what a saved adapter will name as its base
        model.name_or_path = str(Path(files.weights, files.gguf_file).resolve())
    return model, reader


def _processor(files: Files) -> Any:
    """The processor; the tokenizer of a model that was kept without one, to be read as text."""
    from transformers import AutoProcessor

    try:
        return _from_pretrained(AutoProcessor, files.weights)
    except ModelError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        return _tokenizer(files)
    except ImportError as error:
        raise ImportError(
            f"the processor of {files.weights} needs a package that is not installed: "
            f"{install('vision')} (torchvision has to fit the installed torch)\n"
            f"{error}"
        ) from error


def _with_merged(model: Any, files: Files, settings: Any = None) -> Any:
    """The model with the adapter of ``files``, if there is one, merged in."""
    if files.adapter is None:
        return model
    from peft import PeftModel

    with loading(files.adapter), warnings.catch_warnings():
        warnings.filterwarnings("error", "Found missing adapter keys")  # another model's adapter
        model = PeftModel.from_pretrained(model, files.adapter, config=settings).merge_and_unload()
    model.requires_grad_(True)  # peft freezes the base
    return model


def _classifier_merged(model: Any, files: Files) -> tuple[Any, bool]:
    """The model with the adapter merged in, and whether that brings a head that scores."""
    from peft import PeftConfig

    with loading(str(files.adapter)):
        settings = PeftConfig.from_pretrained(files.adapter)
    brings_head = str(settings.task_type) == "SEQ_CLS"
    if not brings_head:  # trained on a language model: only its decoder is here
        settings.task_type = None
    return _with_merged(model, files, settings), brings_head


def _classifier(files: Files, kind: torch.dtype) -> tuple[Any, bool]:
    """The model, and whether the head was among what was loaded."""
    from transformers import AutoConfig
    from transformers.utils import logging

    more = {} if files.gguf_file is None else {"gguf_file": files.gguf_file}
    config = _from_pretrained(AutoConfig, files.weights, **more)
    _refuse_other_heads(config, files.weights)
    config.num_labels = 1
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the head that a language model lacks is no news
    try:
        model, found = _weights(
            classifier_of(config), files, config=config, dtype=kind, output_loading_info=True
        )
    finally:
        logging.set_verbosity(verbosity)
    lacking = sorted(set(found["missing_keys"]) - {"score.weight"})
    if not isinstance(getattr(model, "score", None), nn.Linear):
        raise ValueError(
            f"{files.weights} is a {type(model).__name__}, which has no linear head over a "
            "decoder; a reward model needs a decoder such as Llama or Qwen"
        )
    if lacking:
        raise ValueError(
            f"{files.weights} lacks {len(lacking)} weights of {type(model).__name__}, the first "
            f"{lacking[0]}; it is no whole model"
        )
    return model, "score.weight" not in found["missing_keys"]


def classifier_of(config: Any) -> Any:
    """Transformers' classifier for this family; one made of its parts where it has none.

    So any that is saved here loads as ``AutoModelForSequenceClassification`` where transformers
    has such a class, and any such folder loads here.
    """
    from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING, MODEL_MAPPING
    from transformers.modeling_layers import GenericForSequenceClassification

    if type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    if type(config) not in MODEL_MAPPING:
        raise ValueError(f"transformers has no decoder for a {type(config).__name__}")
    decoder = MODEL_MAPPING[type(config)]
    family = decoder.__mro__[1]
    name = decoder.__name__.removesuffix("Model") + "ForSequenceClassification"
    prefix = {"base_model_prefix": family.base_model_prefix}
    return type(name, (GenericForSequenceClassification, family), prefix)


def _refuse_other_heads(config: Any, source: str) -> None:
    """A language model says two labels by default, which means nothing."""
    classifies = any("ForSequenceClassification" in a for a in config.architectures or ())
    if classifies and config.num_labels != 1:
        raise ValueError(
            f"{source} has a head of {config.num_labels} labels; a reward model has one"
        )


def _dense(gguf_file: str | None) -> dict[str, Any]:
    """Loading settings of a GGUF file: unpacked, for packed weights can't be trained."""
    if gguf_file is None:
        return {}
    import transformers

    settings: dict[str, Any] = {"gguf_file": gguf_file}
    if hasattr(transformers, "GgufConfig"):  # versions without it always unpack
        settings["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return settings


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
