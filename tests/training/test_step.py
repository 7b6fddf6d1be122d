"""The step is the same step however it is computed."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint.pretrained import flat
from bert_jax.objectives import choose
from bert_jax.optim import make_optimizer
from bert_jax.parallel import mesh as meshes
from bert_jax.training import state
from bert_jax.training.plan import without_data
from bert_jax.training.step import make_evaluation_step, make_train_step


def losses(config, batches):
    """Losses and gradient norms of a step on each batch, and the parameters at the end,
    canonical."""
    from bert_jax.checkpoint import layout

    mesh = meshes.make_mesh(config.mesh)
    with jax.set_mesh(mesh):
        sharding = jax.tree.map(
            lambda x: x.sharding, state.state_shapes(without_data(config), mesh)
        )
        now = jax.jit(lambda: state.initial_state(without_data(config)), out_shardings=sharding)()
        step = jax.jit(
            make_train_step(without_data(config)),
            in_shardings=(sharding, meshes.row_sharding(mesh)),
            out_shardings=(sharding, meshes.replicated(mesh)),
            donate_argnums=0,
        )
        metrics = []
        for batch in batches:
            now, measured = step(now, meshes.to_devices(batch, mesh, config.train.batch_size))
            metrics.append([measured["loss"], measured["gradient_norm"]])
    return np.array(metrics), jax.device_get(
        layout.to_canonical(now.params, config.model, config.compute)
    )


def check_same(recipe, make_batch, steps, variants):
    config = configs.resolve(recipe)
    batches = [make_batch(config, seed) for seed in range(steps)]
    expected, _ = losses(config, batches)
    for variant in variants:
        changed = recipe.copy_and_resolve_references()
        for name, value in variant.items():
            section, _, key = name.partition("__")
            changed[section][key] = value
        found, _ = losses(configs.resolve(changed), batches)
        np.testing.assert_allclose(found, expected, rtol=3e-6, atol=3e-6, err_msg=str(variant))


def test_mesh_and_accumulation_change_nothing(recipe, make_batch):
    """With dropout: threefry's bits are a row's own, wherever the row is computed."""
    recipe.model.num_layers = 1
    check_same(
        recipe,
        make_batch,
        3,
        [
            dict(mesh__data=2, mesh__fsdp=2, mesh__tensor=2, compute__vocab_multiple=2),
            dict(train__accumulation=2),
        ],
    )


@pytest.mark.full
def test_twenty_steps_on_five_meshes(recipe, make_batch):
    check_same(
        recipe,
        make_batch,
        20,
        [
            dict(mesh__data=8),
            dict(mesh__fsdp=8),
            dict(train__accumulation=4),
            dict(mesh__data=2, mesh__fsdp=2, mesh__tensor=2, compute__vocab_multiple=2),
            dict(mesh__data=4, mesh__tensor=2, compute__vocab_multiple=2, train__accumulation=2),
        ],
    )


@pytest.mark.full
def test_replicas_are_clipped_each_by_itself_and_added_up(recipe, make_batch):
    """By the definition: each replica's gradient of its own loss, clipped to norm 0.5, and their
    sum. Adam hardly sees the difference between a sum and a mean; its moments do."""
    recipe.model.hidden_dropout = recipe.model.attention_dropout = 0.0
    recipe.train.replicas, recipe.train.accumulation, recipe.optimizer.clip_norm = 4, 2, 0.5
    recipe.optimizer.warmup_steps = 0
    config = configs.resolve(recipe)
    batch = make_batch(config)
    model, objectives = state.make_model(without_data(config)), choose(config.objectives)

    def loss(params, part):
        outputs = model.apply({"params": params}, part)
        return sum(
            o.terms(outputs[o.HEAD], part).loss / o.weight(part) for o in objectives.values()
        )

    now = state.initial_state(without_data(config))
    total, norms, mean = None, [], []
    for replica in range(4):
        part = {name: x[replica::4] for name, x in batch.items()}
        value, gradient = jax.value_and_grad(loss)(now.params, part)
        norm = optax.global_norm(gradient)
        gradient = jax.tree.map(lambda g: g * min(1, 0.5 / norm), gradient)
        total = gradient if total is None else jax.tree.map(jnp.add, total, gradient)
        norms.append(norm)
        mean.append(value)
    assert max(norms) > 0.5
    updates, moments = make_optimizer(config.optimizer, config.train.steps).update(
        total, now.opt_state, now.params
    )
    expected = optax.apply_updates(now.params, updates)
    after, metrics = jax.jit(make_train_step(without_data(config)))(now, batch)
    np.testing.assert_allclose(metrics["loss"], np.mean(mean), rtol=1e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], np.mean(norms), rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), after.params, expected)
    first, second = flat(after.opt_state[0].mu), flat(moments[0].mu)
    for path, mean in second.items():
        assert np.linalg.norm(first[path] - mean) <= 1e-4 * np.linalg.norm(mean) + 1e-8, path
    whole, _ = jax.jit(
        make_train_step(
            without_data(
                dataclasses.replace(config, train=dataclasses.replace(config.train, replicas=1))
            )
        )
    )(now, batch)
    assert (
        max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (whole.params, expected))))
        > 1e-5
    )


@pytest.mark.full
def test_faster_generators_train_too(recipe, make_batch):
    """They promise no equality, and no worse a loss."""
    config = configs.resolve(recipe)
    batches = [make_batch(config, seed) for seed in range(10)]
    expected, _ = losses(config, batches)
    for generator in ("rbg", "unsafe_rbg"):
        recipe.compute.prng = generator
        recipe.train.accumulation = 2
        found, _ = losses(configs.resolve(recipe), batches)
        assert not np.array_equal(found, expected)
        np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=0.05)


def test_training_learns_and_evaluation_counts(recipe, make_batch):
    recipe.model.hidden_dropout = recipe.model.attention_dropout = 0.0
    recipe.optimizer.name = "adamw"
    recipe.optimizer.learning_rate = 1e-2
    config = configs.resolve(recipe)
    batch = make_batch(config)
    metrics, params = losses(config, [batch] * 20)
    assert metrics[-1, 0] < 0.8 * metrics[0, 0]
    sums = jax.jit(make_evaluation_step(without_data(config)))(params, batch)
    # Rows without weight count for nothing.
    empty = dict(
        batch,
        example_weights=batch["example_weights"] * 0,
        masked_weights=batch["masked_weights"] * 0,
    )
    both = {name: np.concatenate([batch[name], empty[name]]) for name in batch}
    for name, total in jax.jit(make_evaluation_step(without_data(config)))(params, both).items():
        for key, value in total.items():
            np.testing.assert_allclose(value, sums[name][key], rtol=1e-6)
    assert sums["nsp"]["weight"] == 8 and sums["mlm"]["weight"] == batch["masked_weights"].sum()


def test_a_batch_of_padding_alone_gives_no_nan(recipe, make_batch):
    config = configs.resolve(recipe)
    batch = {name: np.zeros_like(x) for name, x in make_batch(config).items()}
    metrics, params = losses(config, [batch])
    assert np.all(metrics == 0) and all(np.all(np.isfinite(x)) for x in jax.tree.leaves(params))


def test_the_same_state_and_batch_give_the_same_bits(recipe, make_batch):
    config = configs.resolve(recipe)
    batches = [make_batch(config, seed) for seed in range(3)]
    one, two = losses(config, batches), losses(config, batches)
    np.testing.assert_array_equal(one[0], two[0])
    jax.tree.map(np.testing.assert_array_equal, one[1], two[1])


def step_as_text(recipe, batch) -> str:
    """The step as the compiler receives it; every constant in it is written out."""
    plan = without_data(configs.resolve(recipe))
    shapes = jax.eval_shape(lambda: state.initial_state(plan))
    lowered = jax.jit(make_train_step(plan)).lower(shapes, batch)
    return lowered.compiler_ir().operation.get_asm(large_elements_limit=1 << 30)


# Another process, in another year, with other hashes, environment, folder and global generators.
ELSEWHERE = """
import ast, random, sys, time
for name in ("time", "time_ns", "monotonic", "perf_counter"):
    later = lambda clock=getattr(time, name), name=name: clock() + 10 ** (17 if "ns" in name else 8)
    setattr(time, name, later)
import jax, ml_collections, numpy
random.seed(1), numpy.random.seed(1)
sys.path.insert(0, sys.argv[1])
from tests.training.test_step import step_as_text
recipe, shapes = ast.literal_eval(sys.stdin.read())
batch = {name: jax.ShapeDtypeStruct(*shape) for name, shape in shapes.items()}
sys.stdout.write(step_as_text(ml_collections.ConfigDict(recipe), batch))
"""


def test_step_reads_no_clock_and_no_global(recipe, make_batch, tmp_path):
    """The same program is traced elsewhere, so the step is a function of recipe and shapes."""
    batch = make_batch(configs.resolve(recipe))
    shapes = {name: (x.shape, x.dtype.name) for name, x in batch.items()}
    kept = ("PATH", "XLA_FLAGS", "JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR")
    traced = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, Path(__file__).parents[2]],
        input=repr((recipe.to_dict(), shapes)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={name: os.environ[name] for name in kept if name in os.environ}
        | dict(PYTHONHASHSEED="1", HOME=str(tmp_path), USER="another", TZ="Asia/Tokyo", LANG="C"),
    )
    assert traced.returncode == 0, traced.stderr
    assert traced.stdout == step_as_text(recipe, batch)
