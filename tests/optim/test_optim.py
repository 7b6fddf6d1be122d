import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax import config as configs
from bert_jax.config import OptimizerConfig
from bert_jax.optim import clipped, decay_mask, make_optimizer
from bert_jax.optim.schedules import warmup_schedule


def test_bert_adam_against_its_formula():
    """Google's `AdamWeightDecayOptimizer`, written out in float64 for a decaying and an excluded
    parameter."""
    config = OptimizerConfig(learning_rate=0.1, warmup_steps=2, weight_decay=0.3, clip_norm=0.0)
    optimizer = make_optimizer(config, steps=10)
    params = {"dense": {"kernel": jnp.array([1.0, -2.0]), "bias": jnp.array([0.5, 0.25])}}
    state = optimizer.init(params)
    rng = np.random.default_rng(0)
    expected = {name: np.asarray(x, np.float64) for name, x in params["dense"].items()}
    m = {name: np.zeros(2) for name in expected}
    v = {name: np.zeros(2) for name in expected}
    for step in range(6):
        gradients = {
            "dense": {name: jnp.asarray(rng.normal(size=2), jnp.float32) for name in expected}
        }
        updates, state = optimizer.update(gradients, state, params)
        params = optax.apply_updates(params, updates)
        rate = 0.1 * (step / 2 if step < 2 else (10 - step) / 10)
        for name, gradient in gradients["dense"].items():
            gradient = np.asarray(gradient, np.float64)
            m[name] = 0.9 * m[name] + 0.1 * gradient
            v[name] = 0.999 * v[name] + 0.001 * gradient**2
            update = m[name] / (np.sqrt(v[name]) + 1e-6) + (
                0.3 * expected[name] if name == "kernel" else 0
            )
            expected[name] -= rate * update
    for name, value in expected.items():
        np.testing.assert_allclose(params["dense"][name], value, rtol=1e-5)


def test_adamw_is_optax_adamw():
    config = OptimizerConfig(
        name="adamw", learning_rate=0.01, warmup_steps=0, decay="constant", clip_norm=0.0
    )
    ours = make_optimizer(config, 10)
    theirs = optax.adamw(
        0.01, 0.9, 0.999, 1e-6, weight_decay=0.01, mask={"w": {"kernel": True, "bias": False}}
    )
    params = {"w": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    states = [ours.init(params), theirs.init(params)]
    gradients = jax.tree.map(lambda x: 0.3 * x, params)
    for _ in range(3):
        updates = []
        for i, optimizer in enumerate((ours, theirs)):
            update, states[i] = optimizer.update(gradients, states[i], params)
            updates.append(update)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), *updates)


def test_clipping_is_by_the_global_norm():
    gradients = {"a": jnp.array([3.0]), "b": jnp.array([4.0])}
    for largest, scale in ((1.0, 0.2), (5.0, 1.0), (7.0, 1.0), (0.0, 1.0)):
        found = clipped(gradients, optax.global_norm(gradients), largest)
        expected = optax.clip_by_global_norm(largest or 1e9).update(gradients, None)[0]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)
        np.testing.assert_allclose(
            [found["a"][0], found["b"][0]], [3 * scale, 4 * scale], rtol=1e-6
        )


def test_biases_and_layer_norms_do_not_decay():
    config = configs.OptimizerConfig()
    params = {
        "bert": {
            "layer_norm": {"scale": 1, "bias": 1},
            "attention_layer_norm": {"scale": 1},
            "query": {"kernel": 1, "bias": 1},
            "word_embeddings": {"embedding": 1},
        },
        "mlm": {"bias": 1},
    }
    mask = decay_mask(params, config.decay_exclude)
    assert mask == {
        "bert": {
            "layer_norm": {"scale": False, "bias": False},
            "attention_layer_norm": {"scale": False},
            "query": {"kernel": True, "bias": False},
            "word_embeddings": {"embedding": True},
        },
        "mlm": {"bias": False},
    }


@pytest.mark.parametrize(
    "start, expected",
    [
        ("zero", [0, 0.5, 0.8, 0.7, 0.1, 0]),  # Google: on the line from step 0
        (
            "warmup",
            [0, 0.5, 1, 7 / 8, 1 / 8, 0],
        ),  # Hugging Face: on the line from the end of warm-up
    ],
)
def test_schedule(start, expected):
    schedule = warmup_schedule(
        OptimizerConfig(learning_rate=2.0, warmup_steps=2, decay_start=start), steps=10
    )
    np.testing.assert_allclose([schedule(s) / 2 for s in (0, 1, 2, 3, 9, 10)], expected, atol=1e-7)


def test_constant_schedule_and_no_warmup():
    schedule = warmup_schedule(
        OptimizerConfig(learning_rate=2.0, warmup_steps=0, decay="constant"), steps=10
    )
    assert [float(schedule(s)) for s in (0, 5, 10)] == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "keys, expected",
    [
        (dict(decay="polynomial", decay_power=0.5), [1, 0.5**0.5, 0]),
        (dict(decay="polynomial", decay_power=2.0), [1, 0.25, 0]),
        (dict(decay="cosine"), [1, 0.5, 0]),
        (dict(decay="cosine", final_share=0.2), [1, 0.6, 0.2]),
        (dict(decay="linear", final_share=0.2), [1, 0.6, 0.2]),
        (dict(decay="constant", final_share=0.2), [1, 1, 1]),
    ],
)
def test_other_schedules(keys, expected):
    """At the end of warm-up, half-way from there, and at the last step."""
    config = OptimizerConfig(learning_rate=2.0, warmup_steps=20, decay_start="warmup", **keys)
    found = [warmup_schedule(config, 100)(step) / 2 for step in (20, 60, 100)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    if keys["decay"] == "cosine" and not config.final_share:
        theirs = optax.warmup_cosine_decay_schedule(0, 2.0, 20, 100)
        for step in range(101):
            assert float(warmup_schedule(config, 100)(step)) == pytest.approx(
                float(theirs(step)), abs=1e-6
            )


def test_warm_up_stable_decay():
    config = OptimizerConfig(learning_rate=2.0, warmup_steps=20, decay="stable", decay_share=0.25)
    found = [warmup_schedule(config, 100)(step) / 2 for step in (10, 20, 50, 75, 80, 90, 100)]
    np.testing.assert_allclose(found, [0.5, 1, 1, 1, 0.8, 0.4, 0], atol=1e-6)
