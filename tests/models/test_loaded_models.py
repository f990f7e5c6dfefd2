"""Frozen models are loaded once and kept while a part that reads them lives."""

from __future__ import annotations

import copy
import gc
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from guerdon.models.loaded import LoadedModels
from guerdon.models.loading import load_model
from guerdon.models.sources import ModelError
from guerdon.nursery.blank import blank_model
from guerdon.records import Task
from guerdon.reward_models import RewardModel, SavedRewardModel, saved
from guerdon.rewards import FrozenModel, MeanPooled


class User:
    """Somebody who reads a model."""


class Loads(list[str]):
    """Names of what was loaded, in their order."""

    def __call__(self, name: str) -> list[str]:
        self.append(name)
        return [name]

    __hash__ = object.__hash__


def test_users_that_live_keep_their_models_however_many_they_are() -> None:
    models, load = LoadedModels(spare=2), Loads()
    users = [User() for _ in range(5)]
    for _ in range(3):
        for name, user in zip("abcde", users, strict=True):
            assert models(user, load, name) == [name]
    assert load == list("abcde")


def test_two_users_of_one_model_share_it_and_the_last_keeps_it() -> None:
    models, load = LoadedModels(spare=2), Loads()
    one, two = User(), User()
    assert models(one, load, "a") is models(two, load, "a")
    del one
    for name in "bcd":
        models(User(), load, name)
    models(two, load, "a")
    assert load == list("abcd")


def test_of_models_nobody_uses_the_last_two_are_kept() -> None:
    models, load = LoadedModels(spare=2), Loads()
    for name in "abab":
        models(User(), load, name)
    assert load == list("ab")
    for name in "cab":
        models(User(), load, name)
    gc.collect()
    assert load == list("abcab")
    assert len(models._held) == 2
    assert not models._users


def test_settings_tell_models_apart_and_a_load_that_fails_is_tried_again() -> None:
    models, tries = LoadedModels(), []

    def load(name: str, dtype: str) -> str:
        tries.append(name)
        if len(tries) == 1:
            raise ValueError("no such model")
        return name + dtype

    user = User()
    with pytest.raises(ValueError, match="no such model"):
        models(user, load, "a", "float32")
    assert models(user, load, "a", "float32") == "afloat32"
    assert models(user, load, "a", "bfloat16") == "abfloat16"
    assert len(tries) == 3


def test_five_reward_models_over_three_batches_are_five_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = []
    for seed in range(5):
        model, tokenizer = blank_model(seed, width=16, layers=1)
        model.save_pretrained(tmp_path / str(seed))
        tokenizer.save_pretrained(tmp_path / str(seed))
        torch.manual_seed(seed)
        RewardModel.load(str(tmp_path / str(seed))).save(tmp_path / f"scorer-{seed}")
        members.append(SavedRewardModel(str(tmp_path / f"scorer-{seed}"), device="cpu"))
    loads = []
    own = RewardModel.load
    monkeypatch.setattr(saved.RewardModel, "load", lambda *a, **k: loads.append(a) or own(*a, **k))
    task, found = Task(id="t", prompt="2+2=", answer="4"), []
    for _ in range(3):
        found.append([float(one.score([task], [["4"]])) for one in members])
    assert len(loads) == 5
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 5
    copied = copy.deepcopy(members)  # as a run does with its recipe
    assert [float(one.score([task], [["4"]])) for one in copied] == found[0]
    assert len(loads) == 5


def test_frozen_readers_take_an_adapters_folder_merged_into_its_base(tmp_path: Path) -> None:
    model, tokenizer = load_model("seedling", adapter="lora", rank=2, device="cpu")
    torch.manual_seed(0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    model.save_pretrained(tmp_path / "adapter")
    ids = tokenizer.encode("2+2=", add_special_tokens=False)
    with torch.no_grad():
        theirs = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    adapted, plain = (FrozenModel(name) for name in (str(tmp_path / "adapter"), "seedling"))
    logps = torch.log_softmax(theirs.logits[0, :-1], -1)
    torch.testing.assert_close(adapted.log_probs(ids[:1], [], ids[1:]), logps, atol=1e-4, rtol=0)
    assert (plain.log_probs(ids[:1], [], ids[1:]) - logps).abs().max() > 1e-2
    pooled = MeanPooled(str(tmp_path / "adapter"), device="cpu")(["2+2="])
    mean = theirs.hidden_states[-1].mean(1)
    torch.testing.assert_close(pooled, mean, atol=1e-4, rtol=1e-4)


def test_an_adapter_that_lacks_weights_is_no_silent_base(tmp_path: Path) -> None:
    model, _ = load_model("seedling", adapter="lora", rank=2, device="cpu")
    model.save_pretrained(tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    held = load_file(file)
    save_file({name: held[name] for name in list(held)[1:]}, file)
    with pytest.raises(ModelError, match="missing adapter keys"):
        load_model(str(tmp_path), device="cpu")
