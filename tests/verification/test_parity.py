"""The checks pass here, and each of them can fail."""

import dataclasses

import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.model import layers
from bert_jax.verification import parity


def verdicts(found) -> dict:
    return {one.what: one.passed for one in found}


def test_pytorch_agrees_and_another_activation_does_not(monkeypatch, tmp_path):
    assert verdicts(parity.pytorch()) == {
        "logits, beside PyTorch's": True,
        "loss, beside PyTorch's": True,
        "gradient, beside PyTorch's, of its norm": True,
    }
    monkeypatch.setitem(layers.ACTIVATIONS, "gelu_erf", layers.ACTIVATIONS["gelu_tanh"])
    assert False in verdicts(parity.pytorch()).values()
    assert list(verdicts(parity.pytorch(tmp_path / "no checkout")).values()) == [None]


@pytest.mark.full
def test_a_recipe_agrees_with_itself(recipe, monkeypatch):
    recipe.mesh.data, recipe.compute.dtype = 4, "bfloat16"
    found = verdicts(parity.of_recipe(configs.resolve(recipe)))
    assert (
        all(passed for what, passed in found.items() if what != "the host beside the device")
        and len(found) == 12
    )
    ours = parity.loss_and_gradient

    def wrong(plan, batch, mesh):
        if mesh.size > 1:  # as if a device were left out of the mean
            batch = {name: x.copy() for name, x in batch.items()}
            batch["masked_weights"][:4] = 0
        if plan.compute.scan_layers:
            plan = dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, seed=1))
        return ours(plan, batch, mesh)

    monkeypatch.setattr(parity, "loss_and_gradient", wrong)
    found = verdicts(parity.of_recipe(configs.resolve(recipe)))
    assert [what for what, passed in found.items() if passed is False] == [
        "loss, layers scanned beside unrolled",
        "gradient, layers scanned beside unrolled",
        "loss, 4 devices beside one",
        "gradient, 4 devices beside one",
    ]


def test_phases_do_not_make_the_batch_large(recipe, monkeypatch):
    recipe.instances.phases, recipe.train.batch_size = ((8, 64, 10), (16, 32, 10)), 64
    seen = []
    monkeypatch.setattr(
        parity,
        "loss_and_gradient",
        lambda plan, batch, mesh: (
            seen.append(batch["input_ids"].shape) or (1.0, dict(x=np.ones(1)))
        ),
    )
    parity.of_recipe(configs.resolve(recipe))
    assert set(seen) == {(parity.ROWS, 8)}


@pytest.mark.full
def test_a_task_agrees_with_itself(recipe):
    recipe.task.name, recipe.task.length, recipe.optimizer.warmup_share = "glue/mrpc", 16, 0.1
    assert False not in verdicts(parity.of_recipe(configs.resolve(recipe))).values()
