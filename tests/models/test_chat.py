"""Chats as tokens: what begins and ends them stands there once, and is the template's own."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing

from guerdon.models.chat import completion_ids, plain_chat, template_named, turn_end
from guerdon.models.prompts import prompt_ids
from guerdon.nursery.blank import blank_model
from guerdon.rankings import Ranking
from guerdon.records import Task
from guerdon.rewards.models.likelihood import FrozenModel
from guerdon.rollout import LanguagePolicy, Model
from guerdon.training import PreferenceRecipe, demonstrations_to_rollouts, fit_texts
from guerdon.training.preference import pairs_to_rollouts
from guerdon.training.reward_model import load_reward_model
from guerdon.training.supervised import Demonstration

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BEGUN = "<|begin|>{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2+2?"},
    {"role": "assistant", "content": "4"},
    {"role": "user", "content": [{"type": "text", "text": "And 3+3?"}]},
]


@pytest.fixture
def tokenizer() -> Any:
    """The seedling's, with a token that begins texts and those of ChatML."""
    made = copy.deepcopy(blank_model(0, width=32, layers=1)[1])
    made.add_special_tokens(
        {"bos_token": "<|begin|>", "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}
    )
    made._tokenizer.post_processor = TemplateProcessing(
        single="<|begin|> $A", special_tokens=[("<|begin|>", made.bos_token_id)]
    )
    return made


def ids_of(tokenizer: Any, token: str) -> int:
    return int(tokenizer.convert_tokens_to_ids(token))


def test_what_begins_a_text_stands_there_once(tokenizer: Any) -> None:
    bare = prompt_ids(Task("a", "2+2?"), tokenizer)
    assert bare[0] == tokenizer.bos_token_id
    assert prompt_ids(Task("a", "<|begin|>2+2?"), tokenizer) == bare
    tokenizer.chat_template = BEGUN
    chat = prompt_ids(Task("a", CHAT[1:2]), tokenizer)
    said = tokenizer.apply_chat_template(CHAT[1:2], tokenize=False)
    assert chat.count(tokenizer.bos_token_id) == 1
    assert prompt_ids(Task("a", said), tokenizer) == chat


def test_a_chat_ends_as_its_template_ends_a_turn(tokenizer: Any) -> None:
    tokenizer.chat_template = CHATML
    end, im_end = tokenizer.eos_token_id, ids_of(tokenizer, "<|im_end|>")
    assert turn_end(tokenizer) == im_end
    chat, text = Task("a", CHAT[:2]), Task("b", "2+2?")
    four = tokenizer.encode("4", add_special_tokens=False)
    for written in ("4", "4<|im_end|>", "4<|im_end|>\n", f"4{tokenizer.eos_token}"):
        assert completion_ids([written], [chat], tokenizer) == [[*four, im_end]]
        assert completion_ids([written], [text], tokenizer) == [[*four, end]]
    assert completion_ids([""], [text], tokenizer) == [[end]]


@pytest.mark.parametrize("template", ["{{ raise_exception('no') }}", "{{ messages[0].role }}", ""])
def test_a_template_that_ends_no_turn_leaves_the_end_of_text(tokenizer: Any, template: str) -> None:
    tokenizer.chat_template = template
    assert turn_end(tokenizer) == tokenizer.eos_token_id


def test_a_policy_stops_where_the_template_ends_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.rollout import language

    policy = LanguagePolicy(*blank_model(0, width=32, layers=1))
    plain = language._end_tokens(policy.model, policy.tokenizer)
    monkeypatch.setattr(policy.tokenizer, "chat_template", "{{ messages[-1].content }}<|pad|>")
    chatting = language._end_tokens(policy.model, policy.tokenizer)
    assert set(chatting) - set(plain) == {policy.tokenizer.pad_token_id}


def test_a_model_without_a_template_reads_chats_plainly(caplog: pytest.LogCaptureFixture) -> None:
    policy = LanguagePolicy(*blank_model(0, width=32, layers=1))
    policy.tokenizer.name_or_path = "a model without a template"
    with caplog.at_level(logging.WARNING):
        ids = policy.prompt(Task("a", CHAT)).ids
        policy.prompt(Task("a", CHAT))
    written = (
        "System:\nBe brief.\n\nUser:\n2+2?\n\nAssistant:\n4\n\nUser:\nAnd 3+3?\n\nAssistant:\n"
    )
    assert plain_chat(CHAT) == written
    assert policy.tokenizer.decode(ids) == written
    assert [r.message for r in caplog.records if "no chat template" in r.message] == [
        "the model has no chat template, so chats are written plainly (User: ... Assistant:); "
        "--model.chat-template FILE gives it one"
    ]


def test_a_call_of_a_tool_is_part_of_a_plain_chat() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"name": "add"}]}
    assert plain_chat([call]) == "Assistant:\n[{'name': 'add'}]\n\nAssistant:\n"


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "chat.jinja"
    file.write_text("{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}")
    task = Task("a", CHAT[:2])
    for model in (
        Model(chat_template=str(file)).load(),
        load_reward_model(Model(chat_template=str(file))),
    ):
        assert isinstance(model.tokenizer.chat_template, str)  # type: ignore[attr-defined]
        ids = prompt_ids(task, model.tokenizer)  # type: ignore[attr-defined]
        assert model.tokenizer.decode(ids) == "[system] Be brief.[user] 2+2?"  # type: ignore[attr-defined]
    plain = LanguagePolicy.load(chat_template="plain")
    assert plain.tokenizer.chat_template is None


def test_a_template_that_can_not_be_read_is_said_before_the_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"model.chat_template is '.*none.jinja', which can't be read"
    ):
        Model("no/such-model", chat_template=str(tmp_path / "none.jinja")).load()
    assert template_named("plain") is None


def test_a_frozen_model_reads_a_prompt_as_a_policy_does() -> None:
    task = Task("a", CHAT[:2])
    assert FrozenModel("seedling").prompt(task) == LanguagePolicy.load().prompt(task).ids.tolist()


def test_pairs_that_differ_only_beyond_what_is_read_are_refused() -> None:
    policy = LanguagePolicy(*blank_model(0, width=32, layers=1))
    task = Task("long", "Count.\n")
    pairs = [
        Ranking(Task("short", "Say it.\n"), ("yes", "no")),
        Ranking(task, ("1 2 3 4 5 6", "1 2 3 4 5 7")),
    ]
    with pytest.raises(
        ValueError,
        match=r"responses to 1 of 2 tasks are equal in all of the 4 tokens .* the first to 'long'; "
        r"read more \(--max-tokens N\)",
    ):
        pairs_to_rollouts(policy, pairs, max_tokens=4)
    assert len(pairs_to_rollouts(policy, pairs)) == 4
    # The end that one of them has already makes no difference either.
    end = policy.tokenizer.eos_token
    with pytest.raises(ValueError, match="the first to 'ended'"):
        pairs_to_rollouts(policy, [Ranking(Task("ended", "Say it.\n"), ("yes", f"yes{end}"))])


def test_the_limit_is_a_setting_of_every_run_over_texts(tmp_path: Path) -> None:
    from guerdon.tasks import RankingFile

    file = tmp_path / "pairs.jsonl"
    rows = [
        f'{{"prompt": "Count {i}.", "chosen": "1 2 3 4 {i}", "rejected": "1 2 3 4 x{i}"}}'
        for i in range(8)
    ]
    file.write_text("\n".join(rows))
    recipe = PreferenceRecipe(pairs=RankingFile(str(file)), max_tokens=3)
    with pytest.raises(ValueError, match="equal in all of the 3 tokens"):
        recipe.run(quiet=True)


def test_a_demonstration_that_has_its_end_is_learned_once() -> None:
    policy = LanguagePolicy(*blank_model(0, width=32, layers=1))
    end, task = policy.tokenizer.eos_token, Task("a", "Compute 1+1.\n")
    one, two = (
        demonstrations_to_rollouts(policy, [Demonstration(task, text)]) for text in ("2", f"2{end}")
    )
    assert one.ids.equal(two.ids)
    assert fit_texts(policy, [Demonstration(task, "2")])[0] > 0
