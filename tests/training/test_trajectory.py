"""200 steps of training from the same weights on the same batches as PyTorch; `tests.golden.make`
made its losses."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint import hf
from bert_jax.optim import make_optimizer
from bert_jax.training.plan import without_data
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step
from tests.golden.batches import batch

GOLDEN = Path(__file__).parents[1] / "golden"
SHIPPED = Path(__file__).parents[2] / "bert_jax" / "verification" / "golden" / "bert"


@pytest.fixture(scope="module")
def start():
    pretrained = hf.open(SHIPPED)
    without_dropout = dataclasses.replace(
        pretrained.model, hidden_dropout=0.0, attention_dropout=0.0
    )
    recipe = configs.recipe()
    recipe.train.steps, recipe.optimizer.warmup_steps, recipe.optimizer.learning_rate = (
        200,
        20,
        1e-3,
    )
    recipe.optimizer.clip_norm, recipe.optimizer.decay_start = 0.0, "warmup"
    recipe.compute.matmul_precision = "highest"
    config = dataclasses.replace(configs.resolve(recipe), model=without_dropout)
    return config, pretrained.read()


def losses(config, params, batches) -> list[float]:
    state = TrainState(
        np.int32(0), params, make_optimizer(config.optimizer, config.train.steps).init(params)
    )
    step, found = jax.jit(make_train_step(without_data(config))), []
    for of_step in batches:
        state, metrics = step(state, of_step)
        found.append(metrics["loss"])
    return [float(loss) for loss in found]


def with_optimizer(config, **keys):
    return dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, **keys))


@pytest.mark.parametrize("name", ["adamw", "bert_adam"])
def test_losses_are_those_of_pytorch(start, name):
    config, params = start
    expected = json.loads((GOLDEN / "trajectories.json").read_text())[name]
    found = losses(with_optimizer(config, name=name), params, map(batch, range(1000, 1200)))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    # The optimisers differ by far more than the bound, so each is held by it.
    other = {"adamw": "bert_adam", "bert_adam": "adamw"}[name]
    wrong = losses(with_optimizer(config, name=other), params, map(batch, range(1000, 1020)))
    assert np.abs(np.subtract(wrong, expected[:20])).max() > 1e-3


def test_bfloat16_ends_at_the_same_loss(start):
    """Within 1% of each other, as the mean over the last 20 of 200 steps."""
    config, params = start
    exact, rough = (
        losses(
            dataclasses.replace(config, compute=dataclasses.replace(config.compute, dtype=dtype)),
            params,
            map(batch, range(1000, 1200)),
        )
        for dtype in ("float32", "bfloat16")
    )
    assert np.mean(rough[-20:]) == pytest.approx(np.mean(exact[-20:]), rel=0.01)
    assert rough != exact
