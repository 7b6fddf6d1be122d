import jax
import numpy as np
import pytest

from bert_jax.config import resolve
from bert_jax.errors import UserError
from bert_jax.training.plan import without_data
from bert_jax.training.state import initial_state, make_model
from bert_jax.training.step import make_train_step


def test_left_to_right_wants_causal_attention(recipe):
    recipe.objectives = ("lm",)
    with pytest.raises(UserError, match="config.model.causal"):
        make_model(without_data(resolve(recipe)))
    recipe.model.causal = True
    assert make_model(without_data(resolve(recipe))).heads == ("mlm",)


@pytest.mark.full
def test_the_average_is_that_of_its_formula(recipe, make_batch):
    """Against numpy: the decay rises with the steps up to the recipe's."""
    recipe.optimizer.ema_decay = 0.2
    config = resolve(recipe)
    now, step = initial_state(without_data(config)), make_train_step(without_data(config))
    mean = jax.tree.map(np.asarray, now.params)
    for i, decay in enumerate([1 / 10, 2 / 11, 0.2, 0.2]):
        now, _ = step(now, make_batch(config, seed=i))
        mean = jax.tree.map(lambda m, x: decay * m + (1 - decay) * np.asarray(x), mean, now.params)
        jax.tree.map(lambda m, x: np.testing.assert_allclose(m, x, atol=1e-6), mean, now.average)
    assert now.model is now.average
