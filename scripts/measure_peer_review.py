"""Peer review on two seedlings, in the regime where one reward model learns noise by heart.

    python scripts/measure_peer_review.py --seeds 0 1 2

400 pairs of worked sums, a quarter of them labelled wrongly, as ``guerdon train --recipe crm`` has
them. For each seed (of flips, heads and order) one model after one pass and after five, and two
that review each other in five: the share of held-out pairs in order, without noise, and the share
of the wrong labels that were learned. Prints a JSON line a run, and processor seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace

from guerdon.rankings import Ranking
from guerdon.recipes import crm
from guerdon.stages import Scorer
from guerdon.training import RewardModelRecipe, ranked_right
from guerdon.training.peer_recipe import PeerReviewRecipe


def reviewed(seed: int) -> PeerReviewRecipe:
    """The recipe's real run with another seed for all that is drawn."""
    recipe = crm.build(seed=seed, heads=(2 * seed, 2 * seed + 1))
    return replace(recipe, pairs=replace(recipe.pairs, seed=seed))


def alone(seed: int, epochs: int) -> RewardModelRecipe:
    """One model on the same pairs, by the same optimiser."""
    given = reviewed(seed)
    return RewardModelRecipe(
        given.pairs, optimiser=given.optimiser, epochs=epochs, batch=given.batch, seed=seed
    )


def share(model: Scorer, pairs: list[Ranking]) -> float:
    """Of the pairs that a model puts in order."""
    found = ranked_right(model, pairs)
    assert found is not None
    return sum(found.results) / len(found.results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    for seed in parser.parse_args().seeds:
        pairs = reviewed(seed).pairs
        wrong = [one for one in pairs.load("train") if one.task.columns["flipped"]]
        held_out = list(pairs.load("test"))
        arms = {
            "alone, one pass": alone(seed, 1),
            "alone, five passes": alone(seed, 5),
            "two that review each other": reviewed(seed),
        }
        for name, recipe in arms.items():
            started = time.process_time()
            model = recipe.run(None, quiet=True).model
            first = model.scorers[0] if isinstance(recipe, PeerReviewRecipe) else model
            told = {
                "seed": seed,
                "arm": name,
                "held out": share(model, held_out),
                "held out, one model": share(first, held_out),
                "wrong labels learned": share(first, wrong),
                "processor seconds": round(time.process_time() - started),
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
