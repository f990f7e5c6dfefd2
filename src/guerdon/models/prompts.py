"""Tasks as what a model reads: tokens and, where a prompt shows images, what goes with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guerdon.models.chat import chat_ids, templated
from guerdon.records import Task

MARK = "<image>"
"""Where an image stands in a prompt's text."""


@dataclass(frozen=True)
class Prompt:
    """ids long[P], and the model's further inputs by name (pixels, grids, token types)."""

    ids: Tensor
    inputs: Mapping[str, Tensor] = field(default_factory=dict)


def images_of(task: Task) -> list[Any]:
    """What the task's ``images`` column holds, as a list; empty where there is none."""
    held = task.columns.get("images")
    if held is None:
        return []
    return list(held) if isinstance(held, list | tuple) else [held]


def refuse_images(task: Task) -> None:
    """Raises ValueError for a task that shows images: they would go unseen."""
    if images_of(task):
        raise ValueError(
            f"task {task.id!r} shows images, and only text is read here: use a vision-language "
            "model, sampled by engine 'transformers' in single turns, or remove the images "
            "(for a file, --tasks.image '')"
        )


def text_prompt(task: Task, tokenizer: Any) -> Tensor:
    """long[P], at least one token (see `prompt_ids`).

    Raises ValueError for a task that shows images.
    """
    refuse_images(task)
    return torch.tensor(prompt_ids(task, tokenizer), dtype=torch.long)


def prompt_ids(task: Task, tokenizer: Any) -> list[int]:
    """A prompt's tokens, at least one, its images left out; chats go through the chat template.

    What begins a text stands there once: a text that a template wrote may have it already.
    """
    if isinstance(task.prompt, str):
        begin = str(getattr(tokenizer, "bos_token", None) or "")
        begun = bool(begin) and task.prompt.startswith(begin)
        settings = {"add_special_tokens": False} if begun else {}
        ids = list(tokenizer.encode(task.prompt, **settings))
    else:
        ids = chat_ids(task, tokenizer)
    # A model needs something to continue: an empty prompt is the end of another text.
    return ids or [tokenizer.eos_token_id]


def image_prompt(task: Task, processor: Any) -> Prompt:
    """The prompt of a task that shows images or is a chat, as the model's processor has it.

    Images stand where the text says `MARK` or a chat has ``{"type": "image"}`` parts; where
    nothing does, before the first user message's text. A prompt that is text becomes a user's
    message, if the processor has a chat template. Raises ValueError naming the task where
    images and places differ in number, or an image can't be read.
    """
    held = images_of(task)
    messages = _placed(task, len(held))
    images = [_opened(image, task.id) for image in held]
    if getattr(processor, "chat_template", None) is None and isinstance(task.prompt, str):
        text = _plain(messages, processor)
    else:
        text = templated(task, processor, messages, tokenize=False)
    # A template that begins with this token has written it already.
    begin = processor.tokenizer.bos_token
    try:
        read = processor(
            text=[text],
            images=[images] if images else None,
            return_tensors="pt",
            add_special_tokens=not (begin and text.startswith(begin)),
        )
    except ValueError as error:
        raise ValueError(f"task {task.id!r} can't be read by the processor: {error}") from error
    inputs = {k: v for k, v in read.items() if k not in ("input_ids", "attention_mask")}
    return Prompt(read["input_ids"][0], inputs if images else {})


def _placed(task: Task, count: int) -> list[dict[str, Any]]:
    """The prompt as messages whose content is a list of text and image parts."""
    plain = isinstance(task.prompt, str)
    chat: Sequence[Any] = [{"role": "user", "content": task.prompt}] if plain else task.prompt
    messages = [{**m, "content": _parts(m.get("content"))} for m in chat]
    places = sum(p.get("type") == "image" for m in messages for p in m["content"])
    if not places and count:
        first = next((m for m in messages if m["role"] == "user"), messages[0])
        first["content"] = [{"type": "image"}] * count + first["content"]
    elif places != count:
        raise ValueError(
            f"task {task.id!r} has {count} images and its prompt has {places} places for them; "
            f"give as many as it says {MARK}, in the column 'images' (--tasks.image names another)"
        )
    return messages


def _parts(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, list | tuple):
        seen: dict[str, Any] = {"type": "image"}
        return [seen if part.get("type") == "image" else dict(part) for part in content]
    pieces = [{"type": "text", "text": text} for text in (content or "").split(MARK)]
    between = [part for piece in pieces for part in ({"type": "image"}, piece)][1:]
    return [part for part in between if part != {"type": "text", "text": ""}]


def _plain(messages: list[dict[str, Any]], processor: Any) -> str:
    mark = getattr(processor, "image_token", MARK)
    return "".join(part.get("text", mark) for m in messages for part in m["content"])


def _opened(image: Any, task: str) -> Any:
    """In RGB: a path's picture, that of a file's bytes (alone or as "bytes"), or of an array."""
    from PIL import Image

    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    try:
        if isinstance(image, bytes):
            image = Image.open(BytesIO(image))
        elif isinstance(image, str | Path):
            image = Image.open(image)
        elif not isinstance(image, Image.Image):
            image = Image.fromarray(image)
        return image.convert("RGB")
    except Exception as error:  # Pillow's readers pass on whatever they stumble over
        raise ValueError(
            f"task {task!r}: an image can't be read ({error}); give a file that PIL opens, its "
            "bytes, or a uint8 array [height, width, 3]"
        ) from error
