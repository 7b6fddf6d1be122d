"""LAMB and layer-wise decay are the same in every layout, and what their sources say."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint import layout
from bert_jax.config import ComputeConfig, OptimizerConfig
from bert_jax.optim import make_optimizer
from bert_jax.optim.lamb import LambOptions
from bert_jax.training import state
from bert_jax.training.plan import without_data

LAMB = OptimizerConfig(
    name="lamb",
    learning_rate=0.01,
    warmup_steps=0,
    decay="constant",
    clip_norm=0.0,
    options=LambOptions(),
)
EVERYWHERE = LambOptions(trust_exclude=())


@pytest.fixture
def params(recipe):
    return state.initial_params(without_data(configs.resolve(recipe)))


def gradients_like(params, seed: int):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: rng.normal(size=x.shape).astype(np.float32), params)


def trained(config: OptimizerConfig, params, layout_of=None, steps: int = 3):
    """The parameters after a few steps of the same gradients, in canonical form."""
    into, back = layout_of or (lambda x: x, lambda x: x)
    optimizer, params_there = make_optimizer(config, 10), into(params)
    opt_state, update = optimizer.init(params_there), jax.jit(optimizer.update)
    for seed in range(steps):
        updates, opt_state = update(into(gradients_like(params, seed)), opt_state, params_there)
        params_there = optax.apply_updates(params_there, updates)
    return back(params_there)


def agree(one, other, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-7), one, other)


def test_lamb_is_optax_lamb(params):
    """Where nothing is excluded from the trust ratio."""
    ours = dataclasses.replace(LAMB, options=EVERYWHERE, decay_exclude=())
    theirs, expected = optax.lamb(0.01, 0.9, 0.999, 1e-6, weight_decay=0.01), params
    opt_state, update = theirs.init(params), jax.jit(theirs.update)
    for seed in range(3):
        updates, opt_state = update(gradients_like(params, seed), opt_state, expected)
        expected = optax.apply_updates(expected, updates)
    agree(trained(ours, params), expected)


def test_an_update_is_as_large_as_its_parameter(params):
    updates, _ = (optimizer := make_optimizer(LAMB, 10)).update(
        gradients_like(params, 0), optimizer.init(params), params
    )
    layer, of_layer = updates["bert"]["encoder"]["layer_1"], params["bert"]["encoder"]["layer_1"]
    for name in ("query", "key"):
        found = jnp.linalg.norm(layer["attention"][name]["kernel"])
        assert found == pytest.approx(
            0.01 * float(jnp.linalg.norm(of_layer["attention"][name]["kernel"])), rel=1e-5
        )
    scale = layer["attention_layer_norm"]["scale"]  # excluded: Adam's first update, of size 1
    np.testing.assert_allclose(np.abs(scale), 0.01, rtol=1e-3)
    bias = layer["attention"]["query"]["bias"]  # 0 at first: its ratio would be 1
    np.testing.assert_allclose(np.abs(bias), 0.01, rtol=1e-3)


@pytest.mark.parametrize(
    "compute",
    [
        dict(scan_layers=True),
        dict(fused_qkv=True),
        dict(scan_layers=True, fused_qkv=True, vocab_multiple=64),
    ],
)
@pytest.mark.parametrize(
    "keys", [dict(), dict(options=EVERYWHERE), dict(name="adamw", layer_decay=0.7)]
)
def test_every_layout_is_trained_alike(recipe, params, compute, keys):
    model, there = configs.resolve(recipe).model, ComputeConfig(**compute)
    conversion = (
        lambda x: layout.from_canonical(x, model, there),
        lambda x: layout.to_canonical(x, model, there),
    )
    config = dataclasses.replace(LAMB, **keys)
    agree(trained(config, params, conversion), trained(config, params))


def test_layers_learn_the_slower_the_deeper_they_lie(params):
    config = dataclasses.replace(LAMB, name="adamw", weight_decay=0.0)
    decayed, even = (
        trained(dataclasses.replace(config, layer_decay=decay), params, steps=1)
        for decay in (0.5, 1.0)
    )

    def share(path):
        at = [params, decayed, even]
        for name in path.split("/"):
            at = [tree[name] for tree in at]
        before, slow, fast = (jax.tree.leaves(tree)[0] for tree in at)
        return float(jnp.linalg.norm(slow - before) / jnp.linalg.norm(fast - before))

    for path, expected in (
        ("mlm/transform", 1),
        ("bert/pooler", 1),
        ("bert/encoder/layer_1", 0.5),
        ("bert/encoder/layer_0", 0.25),
        ("bert/embeddings", 0.125),
    ):
        assert share(path) == pytest.approx(expected, rel=1e-3), path
