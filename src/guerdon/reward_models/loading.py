"""Decoders with one number for an output, as transformers' sequence classifiers of one label.

Any saved here loads as ``AutoModelForSequenceClassification`` where transformers has such a class
for its family, and any such folder loads here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from guerdon.models.loading import adapter_base, without_bars
from guerdon.nursery import from_pretrained, loading, model_source
from guerdon.sealed import refuse_damaged


def load_scalar_model(name: str, dtype: torch.dtype, new_head: bool) -> tuple[Any, Any]:
    """A decoder with a scalar head, and its tokenizer.

    ``name`` is ``seedling``, a Hub id or a folder: of a reward model, of a language model, or of
    an adapter trained on either, which is merged in. A language model's head is new, drawn from
    torch's global generator; without ``new_head`` it is refused. Raises ValueError for that,
    where the model is no decoder or has other heads, and where there is none.
    """
    from transformers import AutoConfig, AutoTokenizer

    source = model_source(name)
    refuse_damaged(Path(source))
    base = adapter_base(source)
    base = model_source(base) if base else None
    if base is not None:
        refuse_damaged(Path(base))
    with without_bars():
        tokenizer = from_pretrained(AutoTokenizer, source)
        config = from_pretrained(AutoConfig, base or source)
        _refuse_other_heads(config, source)
        config.num_labels = 1
        model, has_head = _from_pretrained(classifier_of(config), base or source, config, dtype)
    if base is not None:
        model, brings_head = _merged(model, source)
        has_head |= brings_head
    if not (has_head or new_head):
        raise ValueError(
            f"{source} is a language model without a head that scores; train one with "
            "guerdon train --pairs FILE --reward-model"
        )
    return model, tokenizer


def classifier_of(config: Any) -> Any:
    """Transformers' classifier for this family; one made of its parts where it has none."""
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


def _merged(model: Any, folder: str) -> tuple[Any, bool]:
    """The model with the folder's adapter merged in, and whether that brings a head."""
    from peft import PeftConfig, PeftModel

    with loading(folder):
        settings = PeftConfig.from_pretrained(folder)
    brings_head = str(settings.task_type) == "SEQ_CLS"
    if not brings_head:  # trained on a language model: only its decoder is here
        settings.task_type = None
    with loading(folder):
        model = PeftModel.from_pretrained(model, folder, config=settings).merge_and_unload()
    model.requires_grad_(True)  # peft freezes the base
    return model, brings_head


def _from_pretrained(kind: Any, source: str, config: Any, dtype: torch.dtype) -> tuple[Any, bool]:
    """The model, and whether the head was among what was loaded."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # the head that a language model lacks is no news
    try:
        model, found = from_pretrained(
            kind, source, config=config, dtype=dtype, output_loading_info=True
        )
    finally:
        logging.set_verbosity(verbosity)
    lacking = sorted(set(found["missing_keys"]) - {"score.weight"})
    if not isinstance(getattr(model, "score", None), nn.Linear):
        raise ValueError(
            f"{source} is a {type(model).__name__}, which has no linear head over a decoder; "
            "a reward model needs a decoder such as Llama or Qwen"
        )
    if lacking:
        raise ValueError(
            f"{source} lacks {len(lacking)} weights of {type(model).__name__}, the first "
            f"{lacking[0]}; it is no whole model"
        )
    return model, "score.weight" not in found["missing_keys"]


def _refuse_other_heads(config: Any, source: str) -> None:
    """A language model says two labels by default, which means nothing."""
    classifies = any("ForSequenceClassification" in a for a in config.architectures or ())
    if classifies and config.num_labels != 1:
        raise ValueError(
            f"{source} has a head of {config.num_labels} labels; a reward model has one"
        )
