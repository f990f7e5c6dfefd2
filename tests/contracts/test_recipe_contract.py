"""What every recipe promises: one seed is one run, and stopping in the middle changes nothing."""

import json
from dataclasses import replace

import pytest
import torch

from guerdon.claims import all_claims, load_claim
from guerdon.recipes import all_recipes, load_recipe
from guerdon.shaping import ReferencedTasks
from guerdon.training import Loop, PolicyRecipe, SelectedTasks, train
from guerdon.training.varying import VaryingTasks

TIMED = ("seconds/", "tokens_per_second")
PREPARED = SelectedTasks | ReferencedTasks | VaryingTasks
SHORT = Loop(steps=2, groups=2, group_size=4, evaluation_tasks=2, checkpoint_every=0)


def short(slug):
    """The recipe's own parts for two small steps."""
    recipe = load_recipe(slug).build()
    loop = replace(SHORT, minibatch=4 if recipe.loop.minibatch else 0)
    recipe = replace(recipe, loop=loop)
    if isinstance(recipe.tasks, PREPARED):  # sampling for hundreds of tasks
        few = replace(recipe.tasks, source=replace(recipe.tasks.source, train=6), count=4)
        recipe = replace(recipe, tasks=few)
    return recipe


def figures(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.startswith(TIMED)} for line in lines]


@pytest.mark.parametrize("slug", all_recipes())
def test_a_run_that_was_stopped_and_read_back_is_the_run_that_was_not(slug, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    unbroken = train(short(slug), whole, quiet=True)
    train(short(slug), cut, quiet=True, stop_after=1)
    assert len(figures(cut)) == 1
    resumed = train(PolicyRecipe.load(cut / "recipe.yaml"), cut, quiet=True, resume=True)
    assert figures(cut) == figures(whole)
    assert resumed.after == unbroken.after
    pairs = zip(resumed.model.module.parameters(), unbroken.model.module.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("slug", all_claims())
def test_a_claim_names_its_recipe_and_arms(slug):
    assert slug in all_recipes()
    claim = load_claim(slug)
    assert claim.slug == slug
    assert {arm for e in claim.expectations for arm in e.arms} <= set(claim.arms)
