"""What every recipe promises: one seed is one run, and stopping in the middle changes nothing."""

from dataclasses import replace

import pytest

from guerdon.claims import all_claims, load_claim
from guerdon.contracts import check_recipe
from guerdon.recipes import all_recipes, load_recipe
from guerdon.tasks import PreparedTasks
from guerdon.training import Loop, PolicyRecipe
from guerdon.training.peer_recipe import PeerReviewRecipe

SHORT = Loop(steps=2, groups=2, evaluation_tasks=2, checkpoint_every=0)


def short(slug):
    """The recipe's own parts for two small steps."""
    recipe = load_recipe(slug).build()
    if isinstance(recipe, PeerReviewRecipe):
        sums = recipe.pairs.source
        few = replace(sums, tasks=replace(sums.tasks, train=12, test=4))
        return replace(recipe, pairs=replace(recipe.pairs, source=few), epochs=2, batch=8)
    if not isinstance(recipe, PolicyRecipe):
        return recipe
    loop = replace(SHORT, minibatch=4 if recipe.loop.minibatch else 0)
    recipe = replace(recipe, loop=loop, sampler=replace(recipe.sampler, size=4))
    if isinstance(recipe.tasks, PreparedTasks):  # sampling for hundreds of tasks
        few = PreparedTasks(
            replace(recipe.tasks.source, train=6), replace(recipe.tasks.by, count=4)
        )
        recipe = replace(recipe, tasks=few)
    return recipe


@pytest.mark.parametrize("slug", all_recipes())
def test_a_run_that_was_stopped_and_read_back_is_the_run_that_was_not(slug, tmp_path):
    check_recipe(short(slug), tmp_path)


@pytest.mark.parametrize("slug", all_claims())
def test_a_claim_names_its_recipe_and_arms(slug):
    assert slug in all_recipes()
    claim = load_claim(slug)
    assert claim.slug == slug
    assert {arm for e in claim.expectations for arm in e.arms} <= set(claim.arms)
