import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bert_jax.config import ComputeConfig, ModelConfig
from bert_jax.model.layers import ACTIVATIONS, Dropout, keep_mask, layer_norm


def test_forms_of_gelu():
    x = np.linspace(-6, 6, 1001)
    by_erf = x * stats.norm.cdf(x)
    by_tanh = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    np.testing.assert_allclose(ACTIVATIONS["gelu_erf"](x), by_erf, atol=1e-6)
    np.testing.assert_allclose(ACTIVATIONS["gelu_tanh"](x), by_tanh, atol=1e-6)
    assert np.abs(by_erf - by_tanh).max() == pytest.approx(4.7e-4, rel=0.01)


def test_layer_norm_by_its_formula():
    """The variance is biased, and epsilon stands under the root."""
    x = np.random.default_rng(0).normal(3, 0.1, (5, 16)).astype(np.float32)
    module = layer_norm(ModelConfig(layer_norm_epsilon=0.01), ComputeConfig())
    found = module.apply({"params": {"scale": np.arange(16.0), "bias": np.full(16, 0.5)}}, x)
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.01)
    np.testing.assert_allclose(found, normal * np.arange(16) + 0.5, rtol=1e-4, atol=1e-4)
    assert ModelConfig().layer_norm_epsilon == 1e-12


@pytest.mark.parametrize("generator", ["threefry2x32", "rbg"])
@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_rate_and_independence(generator, rate):
    key = jax.random.key(1, impl=generator)
    dropped = ~np.asarray(keep_mask(key, jnp.arange(64), (64, 33, 50), rate))
    assert (
        stats.binomtest(int(dropped.sum()), dropped.size, round(rate * 2**16) / 2**16).pvalue > 1e-4
    )
    # Neighbours along every dimension, and places that share a block, drop independently.
    for axis, distance in ((0, 1), (1, 1), (2, 1), (1, 9)):
        moved = np.moveaxis(dropped, axis, 0)
        correlation = np.corrcoef(moved[distance:].ravel(), moved[:-distance].ravel())[0, 1]
        assert abs(correlation) * np.sqrt(moved[distance:].size) < 4


def test_rows_are_functions_of_their_numbers():
    key = jax.random.key(3)
    whole = keep_mask(key, jnp.arange(8), (8, 6, 5), 0.3)
    np.testing.assert_array_equal(
        keep_mask(key, jnp.array([6, 2]), (2, 6, 5), 0.3), whole[jnp.array([6, 2])]
    )
    assert len({np.asarray(row).tobytes() for row in whole}) == 8


def test_what_is_kept_is_scaled_up():
    x = jnp.ones((16, 40, 50))
    dropped = Dropout(0.25).apply(
        {}, x, jnp.arange(16), deterministic=False, rngs={"dropout": jax.random.key(0)}
    )
    assert set(np.unique(dropped).tolist()) == {0.0, np.float32(1 / 0.75)}
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(Dropout(0.25).apply({}, x, jnp.arange(16), deterministic=True), x)
