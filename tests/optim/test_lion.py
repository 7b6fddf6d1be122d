import jax.numpy as jnp
import numpy as np
import optax

from bert_jax import recipes
from bert_jax.optim import make_optimizer


def test_lion_against_its_formula():
    """Algorithm 2 of Chen et al. (2023) in float64, with and without weight decay."""
    recipe = recipes.recipe()
    recipe.optimizer.update(
        dict(name="lion", learning_rate=0.01, warmup_steps=0, decay="constant", weight_decay=0.3)
    )
    recipe.optimizer.b2 = 0.99
    optimizer = make_optimizer(recipes.resolve(recipe).optimizer, 10)
    params = {"dense": {"kernel": jnp.array([1.0, -2.0, 3.0]), "bias": jnp.array([0.5, 0.25, 0.1])}}
    state = optimizer.init(params)
    expected = {name: np.asarray(x, np.float64) for name, x in params["dense"].items()}
    momentum = {name: np.zeros(3) for name in expected}
    rng = np.random.default_rng(0)
    for _ in range(6):
        gradients = {name: rng.normal(size=3) for name in expected}
        tree = {"dense": {name: jnp.asarray(x, jnp.float32) for name, x in gradients.items()}}
        updates, state = optimizer.update(tree, state, params)
        params = optax.apply_updates(params, updates)
        for name, gradient in gradients.items():
            update = np.sign(0.9 * momentum[name] + 0.1 * gradient)
            momentum[name] = 0.99 * momentum[name] + 0.01 * gradient
            decay = 0.3 * expected[name] if name == "kernel" else 0
            expected[name] = expected[name] - 0.01 * (update + decay)
    for name, value in expected.items():
        np.testing.assert_allclose(params["dense"][name], value, rtol=1e-5)
