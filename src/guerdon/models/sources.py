"""Models by name: where they lie, and what is said when they can't be loaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guerdon.parsing.strict_json import strict_json
from guerdon.sealed import refuse_damaged

POLICY = "policy.json"
"""What says what the policy in a folder is, where it is no language model."""


class ModelError(ValueError):
    """A model can't be loaded; the message names it, what is wrong and the mend."""


GROWN_BY = (
    *(f"nursery/{name}.py" for name in ("corpus", "growing", "worked")),
    *(f"tasks/{name}.py" for name in ("arithmetic", "choices", "facts", "procedural")),
    *(f"tasks/{name}.py" for name in ("regions", "sql", "tool_calls")),
)
"""The code that makes a seedling what it is: where it changes, one is grown anew."""

_PACKAGE = Path(__file__).parent.parent


def seedling_path(seed: int = 0) -> Path:
    """The folder of a seedling's weights and tokenizer (a plain transformers folder).

    That of seed 0 ships with the package, others lie where `grown_path` says. Raises ModelError
    where one has not been grown.
    """
    if seed == 0:
        return _PACKAGE / "nursery" / "seedling"
    folder = grown_path(seed)
    if not folder.is_dir():
        raise ModelError(
            f"seedling {seed} has not been grown here; guerdon nursery grow --seed {seed} grows it "
            "(about 20 minutes on two cores)"
        )
    return folder


def grown_path(seed: int) -> Path:
    """Where the seedling of ``seed`` lies once it is grown, by the digest of what grows it.

    In ``$XDG_CACHE_HOME/guerdon/seedlings``, by default under ``~/.cache``.
    """
    code = hashlib.sha256()
    for name in GROWN_BY:
        code.update((_PACKAGE / name).read_bytes())
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "guerdon" / "seedlings" / f"{code.hexdigest()[:16]}-{seed}"


def model_source(name: str) -> str:
    """Where a model of this name is loaded from: ``seedling`` stands for `seedling_path`.

    ``seedling-1`` is that of seed 1, and so on. Any other name, a Hub id or a folder, stays as it
    is, but for ``~``. Recipe files hold names and not paths of one machine. Raises ModelError for
    a path where nothing is, and for a folder that holds no model.
    """
    kind, dash, seed = name.partition("-")
    if kind == "seedling" and (not dash or (seed.isascii() and seed.isdigit() and len(seed) < 19)):
        return str(seedling_path(int(seed or 0)))
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


@dataclass(frozen=True)
class Files:
    """Where a model is read from: a folder or Hub id, a GGUF file in it, an adapter to merge in."""

    weights: str
    gguf_file: str | None = None
    adapter: str | None = None

    @property
    def with_tokenizer(self) -> str:
        """Where its tokenizer is: beside an adapter that brings one, else with the weights."""
        names = ("tokenizer.json", "tokenizer_config.json")
        brings = self.adapter and any(Path(self.adapter, name).is_file() for name in names)
        return self.adapter if self.adapter and brings else self.weights


def files_of(name: str, gguf_file: str | None = None) -> Files:
    """The files of the model of that name; an adapter's folder stands for base and adapter.

    Raises ModelError as `model_source`, and ValueError where a file was changed since it was
    written, or where an adapter names no base.
    """
    weights, adapter = model_source(name), None
    refuse_damaged(Path(weights))
    base = adapter_base(weights)
    if base is not None:
        weights, adapter = model_source(base), weights
        refuse_damaged(Path(weights))
    if gguf_file is None and weights.endswith(".gguf") and Path(weights).is_file():
        weights, gguf_file = str(Path(weights).parent), Path(weights).name
    return Files(weights, gguf_file, adapter)


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


def _refuse_without_model(folder: Path) -> None:
    known = ("config.json", "adapter_config.json", "tokenizer.json", "tokenizer_config.json")
    if any((folder / name).is_file() for name in known) or any(folder.glob("*.gguf")):
        return
    if (folder / POLICY).is_file():
        raise ModelError(f"{folder} holds no language model, but another policy ({POLICY})")
    near = folder / "model"
    told = any((near / name).is_file() for name in (*known[:2], POLICY))
    mend = f"give {near}" if told else "give one that save_pretrained wrote"
    raise ModelError(f"{folder} has no config.json, so it holds no model; {mend}")


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
