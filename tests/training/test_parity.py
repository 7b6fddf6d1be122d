"""200 steps of training beside PyTorch's AdamW and pytorch-pretrained-bert's BertAdam. Run by `make test-full`.

`test_trajectory` holds the losses to golden ones; here both train now, and parameters are compared too.
"""

import dataclasses

import jax
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.names import hf as name_of
from bert_jax.checkpoint.pretrained import flat
from bert_jax.optim import make_optimizer
from bert_jax.training.state import TrainState
from bert_jax.training.step import make_train_step
from tests.golden.batches import batch

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
make = pytest.importorskip("tests.golden.make")


@pytest.mark.parametrize("name, clip_norm", [("adamw", 0.0), ("adamw", 1.0), ("bert_adam", 0.0)])
def test_losses_and_parameters(name, clip_norm):
    model = make.random_model(transformers.BertForPreTraining, seed=0)
    theirs = [loss for loss, _ in make.train(model, make.OPTIMIZERS[name], make.STEPS, clip_norm)]
    pretrained = open_pretrained(make.HERE / "bert")
    recipe = configs.recipe()
    recipe.train.steps, recipe.compute.matmul_precision = make.STEPS, "highest"
    recipe.optimizer.update(dict(name=name, warmup_steps=make.WARMUP, learning_rate=1e-3, clip_norm=clip_norm,
                                 decay_start="warmup"))
    config = dataclasses.replace(configs.resolve(recipe), model=dataclasses.replace(
        pretrained.model, hidden_dropout=0.0, attention_dropout=0.0))
    start = pretrained.read()
    state = TrainState(np.int32(0), start, make_optimizer(config.optimizer, make.STEPS).init(start))
    step, ours, norms = jax.jit(make_train_step(config)), [], []
    for number in range(make.STEPS):
        state, metrics = step(state, batch(1000 + number))
        ours.append(float(metrics["loss"]))
        norms.append(float(metrics["gradient_norm"]))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert not clip_norm or max(norms) > clip_norm
    # As far apart as a ten-thousandth of the way that they went, or of a thousandth of the way of all parameters.
    parameters, moved, apart = dict(model.named_parameters()), {}, {}
    for path, value in flat(jax.device_get(state.params)).items():
        other, transposed = name_of(path)
        expected = parameters[other].detach().numpy()
        expected = expected.T if transposed else expected
        moved[path] = np.linalg.norm(expected - flat(start)[path])
        apart[path] = np.linalg.norm(value - expected)
    whole = np.linalg.norm(list(moved.values()))
    for path, distance in apart.items():
        # A bias of keys has no gradient: what Adam makes of its rounding errors is as large as it is random.
        assert "key/bias" in path or distance <= 1e-4 * max(moved[path], 1e-3 * whole), path
