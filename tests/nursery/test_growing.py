"""Growing a seedling: what comes from the seed, what is learned, and that it is the same again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch

from guerdon.models.loading import load_model, load_tokenizer
from guerdon.models.sources import GROWN_BY, ModelError
from guerdon.nursery import growing
from guerdon.nursery.corpus import END, TAGS, Skill, answered, example, practice, skills
from guerdon.nursery.growing import Growth, batches, grow, make_tokenizer
from guerdon.tasks import Arithmetic
from guerdon.tasks.procedural import split_of

TOKENIZER = load_tokenizer("seedling")


@pytest.fixture(scope="module")
def corpora() -> Iterator[list[dict[str, Skill]]]:
    """Those of two seeds, made once."""
    made = [skills(0), skills(1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "skills", lambda seed: made[seed])
        patch.setattr(growing, "make_tokenizer", lambda: TOKENIZER)
        yield made


def test_shares_make_a_whole_and_no_held_out_prompt_is_read(
    corpora: list[dict[str, Skill]],
) -> None:
    for corpus in corpora:
        assert sum(skill.share for skill in corpus.values()) == pytest.approx(1.0)
        split = {name: {split_of(t.text) for t in skill.tasks} for name, skill in corpus.items()}
        assert split.pop("moves") == {"train", "test"}  # too few to be split
        assert set(map(frozenset, split.values())) == {frozenset({"train"})}


def test_a_seed_draws_its_own_tasks(corpora: list[dict[str, Skill]]) -> None:
    one, other = corpora
    for name in one:
        assert one[name].tasks[:20] != other[name].tasks[:20]
    again = Arithmetic(("addition", "subtraction"), 2, train=20, seed=3).load("train")
    assert [t.text for t in other["sums"].tasks[:20]] == [t.text for t in again]


def test_prompts_are_read_and_answers_learned(corpora: list[dict[str, Skill]]) -> None:
    rng = random.Random(0)
    for _ in range(50):
        (_, read), (answer, learned) = answered(rng, corpora[0])
        assert (read, learned) == (False, True)
        assert answer.endswith(END)
        first, *others = practice(rng)
        assert first == ("Practise.\n", False)
        assert [learned for _, learned in others] == [False, True] * (len(others) // 2)
    starts = [example(rng, corpora[0])[0][0] == "Practise.\n" for _ in range(400)]
    assert 0.2 < sum(starts) / 400 < 0.4


def test_labels_are_the_answers_tokens_alone(corpora: list[dict[str, Skill]]) -> None:
    growth = Growth(batch=512)
    for ids, labels in islice(batches(growth, TOKENIZER), 20):
        assert ids.shape == labels.shape
        assert ids.numel() <= 512 or ids.shape[0] == 1
        learned = labels >= 0
        assert torch.equal(ids[learned], labels[learned])
        assert learned.any(dim=1).all()
        assert not learned[:, 0].any()
        assert not learned[ids == TOKENIZER.pad_token_id].any()


def test_a_seed_is_one_order_and_another_seed_another(corpora: list[dict[str, Skill]]) -> None:
    def read(seed: int) -> list[torch.Tensor]:
        return [ids for ids, _ in islice(batches(Growth(seed), TOKENIZER), 5)]

    one, again, other = read(0), read(0), read(1)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_what_is_grown_is_a_model_that_has_learned(
    corpora: list[dict[str, Skill]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "EVERY", 6)
    told: list[float] = []
    growth = Growth(positions=9_000, batch=512)
    before = torch.random.get_rng_state()
    grow(growth, tmp_path / "a", told.append)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert told == sorted(told)
    assert told[-1] == 1.0
    log = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == list(range(6, 6 * len(log) + 1, 6))
    assert log[-1]["loss"] < log[0]["loss"] - 0.5
    model, tokenizer = load_model(str(tmp_path / "a"))
    assert tokenizer.get_vocab() == TOKENIZER.get_vocab()
    assert 2_000_000 < sum(p.numel() for p in model.parameters()) < 3_000_000


def test_weights_to_begin_with_come_from_the_seed(
    corpora: list[dict[str, Skill]], tmp_path: Path
) -> None:
    def grown(name: str, seed: int) -> dict[str, torch.Tensor]:
        grow(Growth(seed, positions=1, batch=64), tmp_path / name, lambda done: None)
        model, _ = load_model(str(tmp_path / name))
        return dict(model.state_dict())

    one, again, other = grown("one", 0), grown("again", 0), grown("other", 1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    # One step moves a matrix by little: these are other weights from the beginning.
    name = next(name for name in one if "q_proj" in name)
    assert abs(torch.corrcoef(torch.stack([one[name].ravel(), other[name].ravel()]))[0, 1]) < 0.1


def test_without_muon_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ModelError, match=r"install torch 2\.9 or later"):
        grow(Growth(), tmp_path / "a", lambda done: None)
    assert not (tmp_path / "a").exists()


def test_the_tokenizer_has_tags_and_digits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "READ_BY_TOKENIZER", 400)
    made = make_tokenizer()
    assert len(made) == 512
    for tag in TAGS:
        assert len(made.encode(f"12{tag}34")) == 5


def test_all_code_that_makes_the_corpus_is_in_the_digest() -> None:
    probe = (
        "import sys; from guerdon.nursery import growing; growing.skills(0)\n"
        "print(*(n for n in sys.modules if n.startswith(('guerdon.tasks.', 'guerdon.nursery.'))))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    used = {f"{name.removeprefix('guerdon.').replace('.', '/')}.py" for name in done.stdout.split()}
    assert used == set(GROWN_BY)
