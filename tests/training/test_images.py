"""Models that see, trained in the real loop on the colours of squares."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tiny_vision
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from guerdon.cli import main
from guerdon.objectives import DPO
from guerdon.rankings import Ranking
from guerdon.recipes.grpo import build
from guerdon.records import Task
from guerdon.rewards import reward
from guerdon.rollout import Groups, LanguagePolicy
from guerdon.stages import Sampling
from guerdon.training import Loop, fit_preferences, train


@dataclass(frozen=True)
class Squares:
    """What colour is it? The answer is in the image alone."""

    def load(self, split: str) -> list[Task]:
        return [
            Task(f"{split}-{c}", "what colour ?", c, {"images": [tiny_vision.square(c)]})
            for c in tiny_vision.COLOURS
        ]


@reward
def names_it(completion: str, answer: str) -> float:
    """Share of the words that are the colour."""
    words = completion.split()
    return words.count(answer) / max(len(words), 1)


def recipe(size: int = 4, **loop: Any) -> Any:
    settings = {"steps": 2, "groups": 3, "checkpoint_every": 1, **loop}
    return build(
        tasks=Squares(),
        reward=names_it,
        sampler=Groups(size, Sampling(max_tokens=3)),
        evaluation_sampling=Sampling(max_tokens=3, temperature=0.0),
        loop=Loop(**settings),
    )


def qwen(shared: bool = True) -> LanguagePolicy:
    model = tiny_vision.build("qwen2_vl").float()
    return LanguagePolicy(model, tiny_vision.QwenReader(), shared_prefix=shared)


def weights(policy: LanguagePolicy) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in policy.model.parameters()])


def test_qwen2_vl_trains_shared_as_plainly_and_resumes(tmp_path: Path) -> None:
    before = weights(qwen())
    found = {}
    for name, shared in (("shared", True), ("plain", False)):
        policy = qwen(shared)
        result = train(recipe(), tmp_path / name, policy=policy, quiet=True)
        assert len(result.history) == 2
        assert all(abs(h["ratio"] - 1) < 1e-3 for h in result.history if "ratio" in h)
        found[name] = weights(policy)
        if shared:
            assert policy.shared_prefix.shares == {"prompts with images": True}
    tower = sum(p.numel() for p in qwen().model.model.visual.parameters())
    assert tower > 0
    moved = found["shared"] - before
    assert moved.abs().max() > 1e-5
    torch.testing.assert_close(found["shared"], found["plain"], atol=2e-5, rtol=0)
    half = qwen()
    train(recipe(), tmp_path / "half", policy=half, quiet=True, stop_after=1)
    again = qwen()
    train(recipe(), tmp_path / "half", policy=again, quiet=True, resume=True)
    assert torch.equal(weights(again), found["shared"])


def test_rewards_teach_it_to_see() -> None:
    """All prompts read alike, so who sees nothing gets 1/3 at best.

    Seeds 0 to 3 ended at 1, 2/3, 5/6 and 5/6.
    """
    policy = qwen()
    made = recipe(16, steps=40, checkpoint_every=0)
    made = replace(made, optimiser=replace(made.optimiser, lr=3e-3))
    result = train(made, policy=policy, quiet=True)
    assert result.after.mean > 0.5


def test_pairs_with_images() -> None:
    policy = qwen()
    pairs = [
        Ranking(t, (t.answer, other))
        for t in Squares().load("train")
        for other in tiny_vision.COLOURS
        if other != t.answer
    ]
    before = weights(policy)
    history = fit_preferences(policy, pairs, DPO(), batch=3, epochs=2)
    assert history[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert not torch.equal(weights(policy), before)


def folder_and_file(tmp_path: Path) -> tuple[Path, Path]:
    """A LLaVA as it is saved, and a JSONL with paths of squares beside it."""
    model = tiny_vision.build("llava").float()
    model.generation_config.eos_token_id = 2
    model.save_pretrained(tmp_path / "model")
    tiny_vision.llava_processor().save_pretrained(tmp_path / "model")
    (tmp_path / "squares").mkdir()
    rows = []
    for colour in tiny_vision.COLOURS:
        Image.fromarray(tiny_vision.square(colour)).save(tmp_path / "squares" / f"{colour}.png")
        image = f"squares/{colour}.png"
        for split in ("train", "test"):
            rows.append(
                {"prompt": "what colour ?", "answer": colour, "image": image, "split": split}
                | {"id": f"{split}-{colour}"}
            )
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "model", file


def test_the_command_trains_a_folder_on_a_file_with_images(tmp_path: Path, monkeypatch) -> None:
    model, file = folder_and_file(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    arguments = ["train", "--model", str(model), "--tasks", str(file), "--reward", "text-match"]
    arguments += ["--steps", "2", "--loop.groups", "3", "--sampler.size", "2", "--quiet"]
    arguments += ["--sampling.max-tokens", "3", "--evaluation-sampling.max-tokens", "3"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["steps"] == 2
    trained = LanguagePolicy.load(str(tmp_path / "run" / "model"))
    assert isinstance(trained.model, type(AutoModelForImageTextToText.from_pretrained(model)))
    task = Task("a", "what", columns={"images": str(tmp_path / "squares" / "red.png")})
    assert trained.prompt(task).inputs["pixel_values"].shape == (1, 3, 16, 16)


def test_the_command_says_which_image_is_missing(tmp_path: Path, capsys) -> None:
    model, file = folder_and_file(tmp_path)
    (tmp_path / "squares" / "green.png").unlink()
    assert main(["train", "--model", str(model), "--tasks", str(file), "--quiet"]) != 0
    told = " ".join(capsys.readouterr().err.split())
    assert "rows.jsonl, line 3, field 'image': there is no file" in told
    assert "green.png" in told
    assert "Traceback" not in told
