"""Rotary positions against a formula in complex numbers, in every layout."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint.formats import check, open_pretrained
from bert_jax.config import ComputeConfig
from bert_jax.errors import UserError
from bert_jax.model import rotary
from bert_jax.model.bert import Bert
from bert_jax.model.rotary import RotaryOptions
from bert_jax.training.plan import without_data
from bert_jax.training.state import initial_params
from tests.model.test_bert import HEADS, test_layouts_compute_the_same  # noqa: F401


@pytest.fixture
def config(recipe):
    recipe.model.position.name = "rotary"
    recipe.model.hidden_dropout = 0.1
    return configs.resolve(recipe)


@pytest.fixture
def params(config):
    leaves, tree = jax.tree.flatten(initial_params(without_data(config)))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return tree.unflatten([x + 0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)])


def random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("base", [10_000.0, 100.0])
def test_pairs_of_features_are_turned_as_complex_numbers(base):
    """Su et al. (2021), equation 13: multiplied by e^(i m theta_j), theta_j = base^(-2 j / d)."""
    query, key, positions = (
        random((2, 5, 3, 8)),
        random((2, 5, 3, 8), 1),
        np.arange(10).reshape(2, 5),
    )
    angles = positions[..., None, None] * base ** (-2 * np.arange(4) / 8)
    for x, found in zip((query, key), rotary.rotate(RotaryOptions(base), query, key, positions)):
        turned = (x[..., :4] + 1j * x[..., 4:]) * np.exp(1j * angles)
        np.testing.assert_allclose(found[..., :4], turned.real, atol=1e-5)
        np.testing.assert_allclose(found[..., 4:], turned.imag, atol=1e-5)


def test_products_depend_on_distances_alone():
    query, key, positions = random((1, 6, 2, 8)), random((1, 6, 2, 8), 1), np.arange(6)[None]
    products = [
        jnp.einsum(
            "rqhd,rkhd->rhqk", *rotary.rotate(RotaryOptions(), query, key, positions + shift)
        )
        for shift in (0, 300)
    ]
    np.testing.assert_allclose(products[0], products[1], atol=1e-3)
    assert not np.allclose(products[0], jnp.einsum("rqhd,rkhd->rhqk", query, key), atol=0.1)


def test_bfloat16_stays_bfloat16():
    x = jnp.ones((1, 2, 1, 4), jnp.bfloat16)
    assert rotary.rotate(RotaryOptions(), x, x, jnp.arange(2)[None])[0].dtype == jnp.bfloat16


def test_there_is_no_table_and_order_matters(config, params, make_batch):
    assert set(params["bert"]["embeddings"]) == {
        "word_embeddings", "token_type_embeddings", "layer_norm"
    }  # fmt: skip
    batch = make_batch(config)
    model = Bert(config.model, ComputeConfig(matmul_precision="highest"), HEADS)
    apply = jax.jit(lambda batch: model.apply({"params": params}, batch)["hidden"])
    found = apply(batch)
    moved = apply(batch | dict(position_ids=batch["position_ids"] + 100))
    inside = batch["segment_ids"] > 0
    np.testing.assert_allclose(found[inside], moved[inside], atol=1e-4)
    other = apply(batch | dict(position_ids=batch["position_ids"] * 3))
    assert np.abs(found - other)[inside].max() > 1e-2


def test_left_to_right_no_token_sees_a_later_one(config, params, make_batch):
    causal = dataclasses.replace(config.model, causal=True)
    batch = make_batch(config)
    batch["segment_ids"][:] = 1
    batch["position_ids"] = np.tile(np.arange(16, dtype=np.int32), (8, 1))
    changed = batch | dict(input_ids=batch["input_ids"].copy())
    changed["input_ids"][:, 10:] = 7
    model = Bert(causal, ComputeConfig())
    apply = jax.jit(lambda batch: model.apply({"params": params}, batch)["hidden"])
    one, other = apply(batch), apply(changed)
    np.testing.assert_allclose(one[:, :10], other[:, :10], atol=1e-5)
    assert np.abs(one[:, 10:] - other[:, 10:]).max() > 1e-2


def test_heads_have_an_even_size(recipe):
    recipe.model.update(dict(hidden_size=30, num_heads=2))
    configs.resolve(recipe)
    recipe.model.position.name = "rotary"
    with pytest.raises(UserError, match="(?s)model.num_heads.*even size.*not 15"):
        configs.resolve(recipe)


def test_a_checkpoint_keeps_it_and_no_other_program_gets_it(config, params, tmp_path):
    from bert_jax.checkpoint import hf, runs, tf1
    from bert_jax.checkpoint.pretrained import Pretrained, shapes
    from bert_jax.config import TokenizerConfig

    names = {path: path for path in shapes(config.model, HEADS)}
    pretrained = Pretrained(
        "orbax", tmp_path, config.model, HEADS, TokenizerConfig(), None, (), names,
        lambda: jax.device_get(params),
    )  # fmt: skip
    runs.write(pretrained, tmp_path / "run")
    opened = open_pretrained(tmp_path / "run")
    assert opened.model == config.model
    jax.tree.map(np.testing.assert_array_equal, opened.read(), jax.device_get(params))
    for write in (
        lambda: check(opened, tmp_path / "hf", "hf"),
        lambda: hf.write(opened, tmp_path, "float32"),
        lambda: tf1.write(opened, tmp_path),
    ):
        with pytest.raises(
            UserError, match="(?s)has no such model.*model.position.name = 'rotary'.*'absolute'"
        ):
            write()
