"""Models by name: where they lie, and what is said when they can't be loaded.

A model's folder may be anybody's. Its own code is never run, and weights are read as plain tensors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class ModelError(ValueError):
    """A model can't be loaded; the message names it, what is wrong and the mend."""


def seedling_path() -> Path:
    """The folder of the seedling's weights and tokenizer (a plain transformers folder)."""
    return Path(__file__).parent / "seedling"


def model_source(name: str) -> str:
    """Where a model of this name is loaded from: ``seedling`` stands for `seedling_path`.

    Any other name, a Hub id or a folder, stays as it is, but for ``~``. Recipe files hold names
    and not paths of one machine. Raises ModelError for a path where nothing is, and for a folder
    that holds no model.
    """
    if name == "seedling":
        return str(seedling_path())
    source = os.path.expanduser(name)
    if not source:
        raise ModelError("a model's name is empty; give a model's folder, or owner/name on the Hub")
    try:
        there, is_folder = os.path.exists(source), os.path.isdir(source)
    except ValueError as error:
        raise ModelError(f"{name!r:.200} names no model ({error})") from error
    # A Hub id is a name, or an owner and a name.
    looks_like_path = source.startswith((".", "/")) or "\\" in source
    if not there and (looks_like_path or source.count("/") > 1 or source.endswith(".gguf")):
        raise ModelError(
            f"there is no folder {source}; give a model's folder, or owner/name on the Hub"
        )
    if there and not is_folder and not source.endswith(".gguf"):
        raise ModelError(f"{source} is a file; give the folder of a model, or a .gguf file")
    if is_folder:
        _refuse_without_model(Path(source))
    return source


def _refuse_without_model(folder: Path) -> None:
    known = ("config.json", "adapter_config.json", "tokenizer.json", "tokenizer_config.json")
    if any((folder / name).is_file() for name in known) or any(folder.glob("*.gguf")):
        return
    near = folder / "model"
    mend = (
        f"give {near}"
        if (near / "config.json").is_file()
        else "give one that save_pretrained wrote"
    )
    raise ModelError(f"{folder} has no config.json, so it holds no model; {mend}")


def from_pretrained(kind: Any, source: str, **settings: Any) -> Any:
    """``kind.from_pretrained(source, ...)`` without the folder's own code.

    Raises ModelError in one sentence for whatever the library says, but for missing packages
    (ImportError).
    """
    with loading(os.path.join(source, settings.get("gguf_file") or "").rstrip("/")):
        return kind.from_pretrained(source, trust_remote_code=False, **settings)


@contextmanager
def loading(source: str) -> Iterator[None]:
    """Around the loading of a model: errors of libraries become a `ModelError` of one sentence."""
    try:
        yield
    except (ModelError, ImportError, MemoryError):
        raise
    except Exception as error:
        raise ModelError(f"{source} can't be loaded: {_told(error, source)}") from error


def _told(error: Exception, source: str) -> str:
    """What is wrong, and the mend, where a library's message is long or says neither."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if "trust_remote_code" in text:
        return (
            "it brings code of its own, which is never run here; use a model whose family "
            "transformers knows"
        )
    if "does not recognize this architecture" in text or "Unrecognized model" in text:
        return (
            "its config.json is missing or names no family that the installed transformers knows; "
            f"upgrade transformers or use another model ({_sentence(text)})"
        )
    if kind == "SafetensorError":
        return f"its weights are damaged ({text:.120}); copy or save the model again"
    if kind == "UnpicklingError" or "weights_only" in text or "Weights only" in text:
        return (
            "its weights are a pickle with more than tensors in it, which could run code; convert "
            "them to safetensors"
        )
    if isinstance(error, OSError) and not os.path.exists(source):
        return (
            "it is no folder here, and no model of that name could be had from the Hub "
            f"({_sentence(text)})"
        )
    if "out of memory" in text.lower():
        return f"there is not enough memory for it ({_sentence(text)}); use a smaller model"
    return f"{_sentence(text)} ({kind}); the folder is not whole, so copy or save the model again"


def _sentence(text: str) -> str:
    """The first sentence of a library's message, at most 200 characters of it."""
    return f"{text.partition('. ')[0]:.200}".rstrip(".:")
