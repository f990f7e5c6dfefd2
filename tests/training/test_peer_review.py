"""Two scorers that choose pairs for each other: numbers by hand, symmetry, and exact resume."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from guerdon.curriculum import EachBatch, EasyToHard, KeepRate, PeerReview, by_itself
from guerdon.objectives import BradleyTerry, PlackettLuce
from guerdon.rankings import Ranking
from guerdon.records import Progress, Task
from guerdon.reward_models import FeatureScorer
from guerdon.training import AdamW, fit_rankings
from guerdon.training.peer_review import Peers, fit_peers

SHARP = AdamW(lr=0.05)


def made(count: int = 12, seed: int = 0) -> list[Ranking]:
    """Pairs of vectors; the better one has the larger sum, and every fourth label is wrong."""
    draw = torch.Generator().manual_seed(seed)
    pairs = []
    for n in range(count):
        vectors = torch.randn(2, 3, generator=draw)
        sides = ("a", "b") if (vectors[0].sum() > vectors[1].sum()) ^ (n % 4 == 3) else ("b", "a")
        known = {"a": vectors[0], "b": vectors[1]}
        pairs.append(Ranking(Task(f"p{n}", "", columns={"features": known}), sides))
    return pairs


def linear(seed: int) -> FeatureScorer:
    torch.manual_seed(seed)
    return FeatureScorer(nn.Sequential(nn.Dropout(0.0), nn.Linear(3, 1, bias=False)))


def weights(model: FeatureScorer) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.module.parameters()])


def by_margins(first: list[float], second: list[float]) -> tuple[list[Ranking], Peers]:
    """Pairs whose margins are these: the first scorer reads one number, the second the other."""
    pairs = []
    for n, (a, b) in enumerate(zip(first, second, strict=True)):
        known = {"chosen": [a, b], "rejected": [0.0, 0.0]}
        pairs.append(Ranking(Task(str(n), "", columns={"features": known}), ("chosen", "rejected")))
    models = []
    for reads in ([[1.0, 0.0]], [[0.0, 1.0]]):
        module = nn.Linear(2, 1, bias=False)
        module.weight.data = torch.tensor(reads)
        models.append(FeatureScorer(module))
    review = PeerReview(KeepRate(0.5, warmup=0, ramp=1))
    peers = Peers((models[0], models[1]), pairs, BradleyTerry(), review, optimiser=SHARP)
    return pairs, peers


def test_each_learns_from_what_its_peer_picks_and_from_nothing_else() -> None:
    _, peers = by_margins([3.0, -1.0, 2.0, 0.0], [0.0, 5.0, -2.0, 1.0])
    torch.testing.assert_close(
        torch.stack(peers.margins(torch.arange(4))),
        torch.tensor([[3.0, -1.0, 2.0, 0.0], [0.0, 5.0, -2.0, 1.0]]),
    )
    order = torch.arange(4)
    for lists, kept, absent in ((peers.lists[1], [0, 2], [1, 3]), (peers.lists[0], [1, 3], [0, 2])):
        score, _ = lists.scores(order)
        score.retain_grad()
        chosen = peers.review.order.pick(
            lambda: peers.review.reviewer(*peers.margins(order)), 4, 0.5
        )[0 if lists is peers.lists[0] else 1]
        assert chosen.tolist() == kept
        BradleyTerry()(score[chosen]).value.backward()
        assert score.grad is not None
        assert (score.grad[absent] == 0).all()
        assert (score.grad[kept] != 0).all()
    figures = peers.learn(Progress(0, 1))
    assert figures["kept_share"] == 0.5
    assert figures["peers_agree"] == 0.0  # signs + - + 0 and 0 + - +
    assert peers.statistics.learned_n.tolist() == [1, 1, 1, 1]


def test_with_all_pairs_kept_both_train_as_alone() -> None:
    pairs = made()
    models = (linear(1), linear(2))
    alone = copy.deepcopy(models)
    history, statistics = fit_peers(
        models,
        pairs,
        BradleyTerry(),
        PeerReview(KeepRate(1.0)),
        batch=len(pairs),
        epochs=3,
        optimiser=SHARP,
    )
    for model, other in zip(models, alone, strict=True):
        fit_rankings(other, pairs, BradleyTerry(), batch=len(pairs), epochs=3, optimiser=SHARP)
        torch.testing.assert_close(weights(model), weights(other))
    assert len(history) == 3
    assert (statistics.learned_n == 6).all()
    assert (statistics.seen_n == 6).all()


@pytest.mark.parametrize("order", [EachBatch(), EasyToHard(buckets=3)])
def test_which_of_them_is_the_first_changes_nothing(order: EachBatch | EasyToHard) -> None:
    review = PeerReview(KeepRate(0.5, warmup=1, ramp=2), order=order)
    found = []
    for one, other in ((1, 2), (2, 1)):
        models = (linear(one), linear(other))
        fit_peers(models, made(), BradleyTerry(), review, batch=4, epochs=4, optimiser=SHARP)
        found.append({one: weights(models[0]), other: weights(models[1])})
    assert all(torch.equal(found[0][seed], found[1][seed]) for seed in (1, 2))


@pytest.mark.parametrize("order", [EachBatch(), EasyToHard(buckets=3)])
def test_what_it_remembers_is_all_of_it(order: EachBatch | EasyToHard) -> None:
    """Stopped in the middle of a pass, read back into other models, and gone on with."""
    review = PeerReview(KeepRate(0.5, warmup=1, ramp=2), order=order)
    settings = {"batch": 4, "epochs": 4, "optimiser": SHARP}

    def peers(first: int, second: int) -> Peers:
        models = (linear(first), linear(second))
        return Peers(models, made(), BradleyTerry(), review, **settings)  # type: ignore[arg-type]

    whole, cut, resumed = peers(1, 2), peers(1, 2), peers(8, 9)
    stop = 5  # inside the second pass
    told = [whole.learn(Progress(step, whole.steps)) for step in range(whole.steps)]
    for step in range(stop):
        cut.learn(Progress(step, cut.steps))
    resumed.load_state_dict(copy.deepcopy(cut.state_dict()))
    assert [
        resumed.learn(Progress(step, whole.steps)) for step in range(stop, whole.steps)
    ] == told[stop:]
    assert resumed.statistics.rows() == whole.statistics.rows()
    for one, other in zip(resumed.learners, whole.learners, strict=True):
        assert torch.equal(weights(one.model), weights(other.model))


def test_a_pass_is_as_long_as_what_is_kept_of_it() -> None:
    """12 pairs, rates 1, .75 and .5: three batches of 4, or 12, 9 and 6 pairs of each pass."""
    keep = KeepRate(0.5, warmup=1, ramp=2)
    models = (linear(1), linear(2))
    for order, steps in ((EachBatch(), 9), (EasyToHard(), 3 + 3 + 2)):
        review = PeerReview(keep, order=order)
        peers = Peers(models, made(), BradleyTerry(), review, epochs=3, batch=4)
        assert peers.steps == steps
        for step in range(steps):
            peers.learn(Progress(step, steps))
        assert int(peers.statistics.learned_n.sum()) == 2 * (12 + 9 + 6)


def test_margins_are_without_dropout() -> None:
    models = tuple(FeatureScorer(nn.Sequential(nn.Dropout(0.9), nn.Linear(3, 1))) for _ in "ab")
    peers = Peers(models, made(), BradleyTerry(), PeerReview())  # type: ignore[arg-type]
    seen = {tuple(peers.margins(torch.arange(12))[0].tolist()) for _ in range(10)}
    assert len(seen) == 1
    assert all(model.module.training for model in models)


def test_wrong_labels_stand_out() -> None:
    pairs = made(64)
    review = PeerReview(KeepRate(0.75, warmup=2, ramp=2))
    _, statistics = fit_peers(
        (linear(1), linear(2)), pairs, BradleyTerry(), review, epochs=8, optimiser=SHARP
    )
    wrong = torch.arange(64) % 4 == 3
    right_mean, wrong_mean = (float(statistics.mean_n[which].mean()) for which in (~wrong, wrong))
    assert wrong_mean < 0 < right_mean
    learned = statistics.learned_n.double()
    assert learned[wrong].mean() < 0.7 * learned[~wrong].mean()
    assert statistics.rows()[0]["margin"] == float(statistics.mean_n.min())


def test_what_can_not_be_reviewed_is_refused() -> None:
    pairs, models = made(4), (linear(1), linear(2))
    longer = Ranking(pairs[0].task, ("a", "b", "c"))
    with pytest.raises(ValueError, match="'p0' has 3 responses, and peer review takes pairs"):
        Peers(models, [*pairs, longer], BradleyTerry(), PeerReview())
    with pytest.raises(ValueError, match="no rankings"):
        Peers(models, [], BradleyTerry(), PeerReview())
    known = [replace(pairs[0], margin=1.0)]
    with pytest.raises(ValueError, match="PlackettLuce uses no margins"):
        Peers(models, known, PlackettLuce(), PeerReview())


def test_one_pair_is_kept_and_a_margin_that_is_nan_comes_last() -> None:
    pairs, peers = by_margins([1.0], [-1.0])
    assert peers.steps == 1
    figures = peers.learn(Progress(0, 1))
    assert math.isfinite(figures["loss"])
    assert peers.statistics.learned_n.tolist() == [2]
    assert len(pairs) == 1
    assert by_itself(torch.zeros(1), torch.ones(1))[0].tolist() == [0.0]
