import pytest

from bert_jax.config import resolve
from bert_jax.errors import UserError
from bert_jax.training.state import make_model


def test_left_to_right_wants_causal_attention(recipe):
    recipe.objectives = ("lm",)
    with pytest.raises(UserError, match="config.model.causal"):
        make_model(resolve(recipe))
    recipe.model.causal = True
    assert make_model(resolve(recipe)).heads == ("mlm",)
