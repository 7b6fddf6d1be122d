"""Products and saved arrays of the traced step agree with what is counted from shapes."""

import dataclasses

import pytest

from bert_jax import config as configs
from bert_jax.model import flops
from bert_jax.parallel import mesh as meshes
from bert_jax.preflight import traced
from bert_jax.preflight.memory import of_shapes
from bert_jax.preflight.trial import prepared, shapes_on
from bert_jax.training import state
from bert_jax.training.plan import without_data


def traced_step(recipe, **compute):
    """Returns (plan, shapes of the state and of a batch)."""
    recipe.compute.update(compute)
    config = prepared(configs.resolve(recipe), 8, 0, 0)
    mesh = meshes.make_mesh(config.mesh)
    plan = without_data(config)
    return plan, state.state_shapes(plan, mesh), shapes_on(config, mesh)


@pytest.mark.parametrize("scan_layers", [False, True])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_without_recomputation_the_hardware_does_what_the_model_needs(
    recipe, scan_layers, accumulation
):
    recipe.train.accumulation = accumulation
    plan, of_state, batch = traced_step(recipe, scan_layers=scan_layers)
    heads = state.make_model(plan).heads
    # Token types are looked up by a product with their two rows, which counts as no operation of
    # the model.
    types = 2 * batch["input_ids"].size * 2 * plan.model.hidden_size
    assert traced.train_products(plan, of_state, batch) == 2 * types + flops.train_step(
        plan.model, heads, batch
    )
    assert traced.evaluation_products(plan, of_state.params, batch) == types + flops.forward(
        plan.model, heads, batch
    )


@pytest.mark.parametrize("scan_layers", [False, True])
def test_recomputed_products_count_again(recipe, scan_layers):
    plan, of_state, batch = traced_step(recipe, scan_layers=scan_layers, remat="full")
    model, (rows, length) = plan.model, batch["input_ids"].shape
    hidden, inner = model.hidden_size, model.intermediate_size
    layer = 2 * length * (4 * hidden * hidden + 2 * hidden * inner) + 4 * length * length * hidden
    once = traced.train_products(*traced_step(recipe, scan_layers=scan_layers, remat="none"))
    assert traced.train_products(plan, of_state, batch) == once + rows * model.num_layers * layer
    again = (
        traced.train_products(*traced_step(recipe, scan_layers=scan_layers, remat="dots")) - once
    )
    assert (
        again == rows * model.num_layers * 4 * length * length * hidden
    )  # those of attention alone


def test_recomputation_saves_memory_and_parts_share_it(recipe):
    kept = {
        remat: traced.saved(*_params(traced_step(recipe, remat=remat)))
        for remat in ("none", "dots", "full")
    }
    assert kept["full"] < kept["dots"] <= kept["none"]
    scanned = traced.saved(*_params(traced_step(recipe, remat="none", scan_layers=True)))
    assert scanned > kept["none"]  # what is elementwise is not computed again
    recipe.compute.scan_layers = False
    plan, of_state, batch = traced_step(recipe, remat="full")
    hidden = batch["input_ids"].size * plan.model.hidden_size * 4
    assert kept["full"] > plan.model.num_layers * hidden  # each layer's input
    recipe.train.accumulation = 2
    half = traced.saved(*_params(traced_step(recipe, remat="full")))
    assert half == pytest.approx(kept["full"] / 2, rel=0.05)
    part = traced.of_a_layer(*traced_step(recipe, remat="none")[::2])
    assert part == pytest.approx(traced.of_a_layer(plan, batch) / 2, rel=0.01)


def _params(found: tuple) -> tuple:
    plan, of_state, batch = found
    return plan, of_state.params, batch


def test_memory_by_shapes(recipe):
    recipe.mesh.data, recipe.train.batch_size = -1, 16
    config = prepared(configs.resolve(recipe), 8, 0, 0)
    found = of_shapes(config)
    assert found.devices == 8 and found.gradients == 4 * found.parameters
    assert found.state == pytest.approx(3 * found.gradients, rel=0.01)
    twice = of_shapes(prepared(configs.resolve(recipe), 8, 4, 0))
    assert twice.saved == pytest.approx(2 * found.saved, rel=0.01) and twice.state == found.state
    sharded = of_shapes(dataclasses.replace(config, mesh=dataclasses.replace(config.mesh, fsdp=8)))
    assert sharded.state < found.state / 4 and sharded.saved == found.saved
