"""From a task to what a model reads: where images stand, and in which forms they come."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import tiny_vision
import torch
from PIL import Image
from tiny_vision import square

from guerdon.models.prompts import Prompt, image_prompt, text_prompt
from guerdon.records import Task
from guerdon.rollout import EndpointPolicy, LanguagePolicy
from guerdon.stages import Sampling
from guerdon.tasks import GridTasks

USER, ASSISTANT, COLON, WHAT, COLOUR, ASKED = range(3, 9)
SHOWN = [60] * 16
"""An image's tokens in LLaVA."""


@pytest.fixture(scope="module")
def llava():
    return tiny_vision.llava_processor()


def read(processor: Any, prompt: Any, *images: Any) -> Prompt:
    return image_prompt(Task("a", prompt, columns={"images": images}), processor)


def test_an_image_stands_before_the_question_or_where_the_text_says(llava):
    before = read(llava, "what colour ?", square("red"))
    told = [USER, COLON, *SHOWN, WHAT, COLOUR, ASKED, ASSISTANT, COLON]
    assert before.ids.tolist() == told
    assert before.inputs["pixel_values"].shape == (1, 3, 16, 16)
    inside = read(llava, "what colour <image> ?", square("red"))
    assert inside.ids.tolist() == [USER, COLON, WHAT, COLOUR, *SHOWN, ASKED, ASSISTANT, COLON]
    two = read(llava, "<image> what <image>", square("red"), square("blue"))
    assert two.ids.tolist() == [USER, COLON, *SHOWN, WHAT, *SHOWN, ASSISTANT, COLON]
    red, blue = two.inputs["pixel_values"].mean((2, 3))
    assert red.argmax() == 0
    assert blue.argmax() == 2


def test_chats_with_parts_and_with_text(llava):
    parts = [{"type": "text", "text": "what"}, {"type": "image"}]
    chat = [{"role": "assistant", "content": "colour"}, {"role": "user", "content": parts}]
    found = read(llava, chat, square("red"))
    assert found.ids.tolist() == [
        *(ASSISTANT, COLON, COLOUR),
        *(USER, COLON, WHAT, *SHOWN),
        *(ASSISTANT, COLON),
    ]
    plain = [{"role": "assistant", "content": "colour"}, {"role": "user", "content": "what"}]
    found = read(llava, plain, square("red"))  # before the first user's text
    assert found.ids.tolist()[3:] == [USER, COLON, *SHOWN, WHAT, ASSISTANT, COLON]
    assert chat[1]["content"] is parts
    assert len(parts) == 2


def test_without_a_template_the_text_is_the_whole_prompt(llava, monkeypatch):
    monkeypatch.setattr(llava, "chat_template", None)
    found = read(llava, "what <image> colour", square("red"))
    assert found.ids.tolist() == [WHAT, *SHOWN, COLOUR]


def test_every_form_of_image_is_the_same(llava, tmp_path):
    array = square("green")
    picture = Image.fromarray(array)
    picture.save(tmp_path / "a.png")
    content = BytesIO()
    picture.save(content, "PNG")
    forms = [array, picture, picture.convert("RGBA"), str(tmp_path / "a.png"), tmp_path / "a.png"]
    forms += [content.getvalue(), {"bytes": content.getvalue(), "path": None}]
    forms += [{"bytes": None, "path": str(tmp_path / "a.png")}]
    first, *others = [read(llava, "what", form).inputs["pixel_values"] for form in forms]
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize(
    "image", [b"no picture", "/gone.png", None, 3, {}, np.zeros((2, 2, 7), np.uint8)]
)
def test_what_is_no_image_is_named(llava, image):
    with pytest.raises(ValueError, match=r"task 'a': an image can't be read \(.*give a file"):
        read(llava, "what", image)


def test_images_and_places_must_be_as_many(llava):
    with pytest.raises(ValueError, match="task 'a' has 1 images and its prompt has 2 places"):
        read(llava, "<image> what <image>", square("red"))
    with pytest.raises(ValueError, match="task 'a' has 0 images and its prompt has 1 places"):
        read(llava, "what <image>")


def test_the_begin_token_is_not_written_twice(monkeypatch):
    processor = tiny_vision.llava_processor()
    tokenizer = processor.tokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    assert read(processor, "what", square("red")).ids.tolist()[:3] == [1, USER, COLON]
    processor.chat_template = "<s> " + processor.chat_template
    assert read(processor, "what", square("red")).ids.tolist()[:3] == [1, USER, COLON]


def test_a_policy_reads_text_as_before_and_images_where_it_can(llava):
    model = tiny_vision.build("llava").float()
    sees, blind = LanguagePolicy(model, llava), LanguagePolicy(model, llava.tokenizer)
    text, shown = Task("t", "what"), Task("s", "what", columns={"images": square("red")})
    assert sees.prompt(text).ids.tolist() == blind.prompt(text).ids.tolist() == [WHAT]
    assert sees.prompt(text).inputs == {}
    chat = Task("c", [{"role": "user", "content": "what"}])
    assert sees.prompt(chat).ids.tolist() == [USER, COLON, WHAT, ASSISTANT, COLON]
    assert sees.prompt(chat).inputs == {}
    assert len(sees.prompt(shown).ids) == 21
    with pytest.raises(ValueError, match="task 's' shows images, and only text is read here"):
        blind.prompt(shown)


def test_who_reads_only_text_refuses_images():
    shown = Task("s", "what", columns={"images": square("red")})
    with pytest.raises(ValueError, match="task 's' shows images"):
        EndpointPolicy("http://127.0.0.1:1/v1").sample([shown], 1, Sampling(), 0)
    world = GridTasks().load("train")[0]
    world = replace(world, columns={**world.columns, "images": square("red")})
    with pytest.raises(ValueError, match="shows images, and only text is read here"):
        LanguagePolicy.load().sample([world], 1, Sampling(), 0)


class Templated:
    """A tokenizer whose template is another's program."""

    def __init__(self, template: str) -> None:
        self.chat_template = template

    def apply_chat_template(self, *_: object, **__: object) -> list[int]:
        raise TypeError("can only concatenate str")


def test_a_chat_that_a_model_can_not_be_given_names_its_task() -> None:
    task = Task("one", [{"role": "user", "content": "hi"}])
    with pytest.raises(ValueError, match="task 'one': the model's chat template can't write"):
        text_prompt(task, Templated("{{ 1 }}"))
