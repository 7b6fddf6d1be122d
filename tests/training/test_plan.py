"""Plans: recipes whose blanks are filled."""

import dataclasses

import pytest

from bert_jax import config as configs
from bert_jax.errors import UserError
from bert_jax.training.plan import make_plan, with_vocabulary, without_data


def test_vocabulary_size_is_taken_or_checked():
    model = configs.Config().model
    assert with_vocabulary(model, 99).vocab_size == 99
    with pytest.raises(UserError, match="vocab_size"):
        with_vocabulary(with_vocabulary(model, 99), 100)


def test_epochs_and_shares_become_steps():
    recipe = configs.recipe()
    recipe.train.epochs, recipe.train.batch_size, recipe.optimizer.warmup_share = 3.0, 32, 0.1
    recipe.evaluate.every = recipe.checkpoint.every = -1
    plan = make_plan(configs.resolve(recipe), 3668, vocab_size=99)
    assert (plan.steps, plan.optimizer.warmup_steps) == (345, 34)
    assert (plan.evaluate_every, plan.checkpoint_every) == (115, 115)
    recipe.train.epochs, recipe.optimizer.warmup_share, recipe.evaluate.every = 0.0, 0.0, 7
    plan = make_plan(configs.resolve(recipe), 3668, vocab_size=99)
    assert (plan.steps, plan.optimizer.warmup_steps) == (1_000_000, 10_000)
    assert plan.evaluate_every == 7
    recipe.train.epochs = 3.0
    with pytest.raises(UserError, match="warmup_steps is out of range"):
        make_plan(configs.resolve(recipe), 3668, vocab_size=99)


def test_a_plan_cannot_be_changed_and_keeps_the_recipe_as_written():
    recipe = configs.resolve(configs.recipe())
    plan = make_plan(recipe, 10, vocab_size=99, objectives=("class",), num_labels=3)
    assert plan.recipe is recipe and recipe.model.vocab_size == recipe.model.num_labels == 0
    assert (plan.model.vocab_size, plan.model.num_labels) == (99, 3)
    assert plan.objectives == ("class",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.steps = 1


def test_a_recipe_that_leaves_nothing_open_is_its_own_plan(recipe):
    resolved = configs.resolve(recipe)
    plan = without_data(resolved)
    assert (plan.model, plan.steps) == (resolved.model, resolved.train.steps)
    assert plan == dataclasses.replace(
        make_plan(resolved, 5, vocab_size=resolved.model.vocab_size), examples=0
    )
