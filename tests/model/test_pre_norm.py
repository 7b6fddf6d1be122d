"""LayerNorm before each sub-layer, against a layer written out in numpy, in every layout."""

import dataclasses

import jax
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint import hf
from bert_jax.config import ComputeConfig
from bert_jax.errors import UserError
from bert_jax.model.bert import Bert
from bert_jax.model.rotary import RotaryOptions
from bert_jax.training.plan import without_data
from bert_jax.training.state import initial_params
from tests.model.test_bert import HEADS, test_layouts_compute_the_same, test_shapes  # noqa: F401

EXACT = ComputeConfig(matmul_precision="highest")


@pytest.fixture
def config(recipe):
    recipe.model.norm.placement = "pre"
    recipe.model.hidden_dropout = 0.1
    return configs.resolve(recipe)


@pytest.fixture
def params(config):
    leaves, tree = jax.tree.flatten(initial_params(without_data(config)))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return tree.unflatten([x + 0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)])


def norm(x, parameters):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-12) * parameters["scale"] + parameters["bias"]


def dense(x, parameters):
    return x @ parameters["kernel"] + parameters["bias"]


def layer_of(x, present, causal, parameters, heads):
    """A pre-norm layer in float64, one row at a time: x + attention(norm(x)), then the same of the
    feed-forward layer."""
    attention = parameters["attention"]
    normed = norm(x, parameters["attention_layer_norm"])
    query, key, value = (
        dense(normed, attention[name]).reshape(len(x), heads, -1).swapaxes(0, 1)
        for name in ("query", "key", "value")
    )
    scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
    seen = present[:, None] == present[None]
    if causal:
        seen = seen & np.tri(len(x), dtype=bool)
    scores = np.exp(np.where(seen, scores, -1e30))
    weights = scores / scores.sum(-1, keepdims=True)
    mixed = (weights @ value).swapaxes(0, 1).reshape(x.shape)
    x = x + dense(mixed, attention["output"])
    inner = dense(
        norm(x, parameters["feed_forward_layer_norm"]), parameters["feed_forward"]["intermediate"]
    )
    gelu = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
    return x + dense(gelu, parameters["feed_forward"]["output"])


@pytest.mark.parametrize("causal", [False, True])
def test_against_numpy(config, params, make_batch, causal):
    model = dataclasses.replace(config.model, causal=causal)
    batch = make_batch(config)
    out = jax.jit(lambda batch: Bert(model, EXACT).apply({"params": params}, batch, collect=True))(
        batch
    )
    exact = jax.tree.map(lambda x: np.asarray(x, np.float64), params["bert"])
    for row, present in enumerate(batch["segment_ids"]):
        x = np.asarray(out["hidden_states"][0, row], np.float64)
        for layer in ("layer_0", "layer_1"):
            x = layer_of(x, present, causal, exact["encoder"][layer], 2)
        expected = norm(x, exact["final_layer_norm"])
        np.testing.assert_allclose(out["hidden"][row], expected, atol=1e-4)


def test_with_rotary_positions_too(config, params, make_batch):
    position = configs.PositionConfig("rotary", RotaryOptions())
    model = dataclasses.replace(config.model, position=position)
    batch = make_batch(config)
    apply = jax.jit(lambda model_batch: Bert(model, EXACT).apply({"params": params}, model_batch))
    moved = batch | dict(position_ids=batch["position_ids"] + 50)
    inside = batch["segment_ids"] > 0
    one, other = apply(batch)["hidden"], apply(moved)["hidden"]
    np.testing.assert_allclose(one[inside], other[inside], atol=1e-4)


def test_the_norm_at_the_end_is_trained_without_decay(params):
    from bert_jax.optim import decay_mask

    mask = decay_mask(params, configs.OptimizerConfig().decay_exclude)["bert"]
    assert mask["final_layer_norm"] == dict(scale=False, bias=False)


def test_no_other_program_gets_it(config, tmp_path):
    from bert_jax.checkpoint.pretrained import Pretrained
    from bert_jax.config import TokenizerConfig

    pretrained = Pretrained(
        "orbax", tmp_path, config.model, HEADS, TokenizerConfig(), None, (), {}, dict
    )
    with pytest.raises(
        UserError, match="(?s)has no such model.*model.norm.placement = 'pre'.*'post'"
    ):
        hf.write(pretrained, tmp_path, "float32")
