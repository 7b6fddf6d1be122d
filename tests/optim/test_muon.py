"""Updates are orthogonal, the same in every layout and on every mesh, and AdamW's elsewhere."""

import dataclasses

import jax
import numpy as np
import optax
import pytest
from optax.contrib import MuonDimensionNumbers

from bert_jax import config as configs
from bert_jax.checkpoint import layout
from bert_jax.config import ComputeConfig, OptimizerConfig
from bert_jax.errors import UserError
from bert_jax.optim import make_optimizer
from bert_jax.optim.muon import MuonOptions, matrix_axes
from bert_jax.parallel import mesh as meshes
from bert_jax.training import state
from bert_jax.training.plan import without_data
from bert_jax.training.step import make_train_step
from tests.optim.test_layerwise import agree, gradients_like, trained

MUON = OptimizerConfig(
    name="muon",
    learning_rate=0.01,
    warmup_steps=0,
    decay="constant",
    clip_norm=0.0,
    options=MuonOptions(),
)


@pytest.fixture
def params(recipe):
    return state.initial_params(without_data(configs.resolve(recipe)))


def matrices(params) -> dict[str, np.ndarray]:
    """The encoder's kernels of a canonical tree, by their paths."""
    return {
        jax.tree_util.keystr(path): np.asarray(x)
        for path, x in jax.tree_util.tree_leaves_with_path(params)
        if "encoder" in jax.tree_util.keystr(path) and "kernel" in jax.tree_util.keystr(path)
    }


def updates_of(config, params):
    optimizer = make_optimizer(config, 10)
    return jax.jit(optimizer.update)(gradients_like(params, 0), optimizer.init(params), params)[0]


def test_updates_of_matrices_are_nearly_orthogonal(params):
    config = dataclasses.replace(MUON, weight_decay=0.0)
    found = matrices(updates_of(config, params))
    assert len(found) == 12  # query, key, value, output and two of the feed-forward layer, twice
    for x in found.values():
        values = np.linalg.svd(x, compute_uv=False) / (0.01 * 0.2 * np.sqrt(max(x.shape)))
        assert values.min() > 0.3 and values.max() < 1.3
        assert np.sqrt(np.mean(x**2)) == pytest.approx(0.01 * 0.2, rel=0.3)


def test_matrices_are_optax_muons_and_the_rest_is_adamws(params):
    config = dataclasses.replace(MUON, decay_exclude=())
    theirs, expected = (
        optax.contrib.muon(
            0.01,
            weight_decay=0.01,
            consistent_rms=0.2,
            muon_weight_dimension_numbers=lambda tree: jax.tree.map(
                lambda x: MuonDimensionNumbers() if x.ndim == 2 else None, tree
            ),
        ),
        params,
    )
    opt_state, update = theirs.init(expected), jax.jit(theirs.update)
    for seed in range(3):
        updates, opt_state = update(gradients_like(params, seed), opt_state, expected)
        expected = optax.apply_updates(expected, updates)
    found = trained(config, params)
    agree(matrices(found), matrices(expected), rtol=1e-4)
    adamw = trained(dataclasses.replace(config, name="adamw", options=configs.Options()), params)
    for part in ("embeddings", "pooler"):
        agree(found["bert"][part], adamw["bert"][part])
    agree(found["mlm"], adamw["mlm"])
    for layer in ("layer_0", "layer_1"):
        for norm in ("attention_layer_norm", "feed_forward_layer_norm"):
            one, other = (
                found["bert"]["encoder"][layer][norm],
                adamw["bert"]["encoder"][layer][norm],
            )
            agree(one, other)


@pytest.mark.parametrize(
    "compute",
    [
        dict(scan_layers=True),
        dict(fused_qkv=True),
        dict(scan_layers=True, fused_qkv=True, vocab_multiple=64),
    ],
)
def test_every_layout_is_trained_alike(recipe, params, compute):
    model, there = configs.resolve(recipe).model, ComputeConfig(**compute)
    conversion = (
        lambda x: layout.from_canonical(x, model, there),
        lambda x: layout.to_canonical(x, model, there),
    )
    config = dataclasses.replace(MUON, layer_decay=0.7)
    agree(trained(config, params, conversion), trained(config, params), rtol=1e-4)


@pytest.mark.parametrize(
    "name, ndim, axes",
    [
        ("/bert/encoder/layer_0/attention/query/kernel", 2, (0, 1)),
        ("/bert/encoder/layer_0/attention/qkv/kernel", 3, (0, 2)),
        ("/bert/encoder/layers/feed_forward/output/kernel", 3, (1, 2)),
        ("/bert/encoder/layers/attention/qkv/kernel", 4, (1, 3)),
        ("/bert/encoder/layers/attention/qkv/bias", 3, None),
        ("/bert/pooler/dense/kernel", 2, None),
        ("/bert/embeddings/word_embeddings/embedding", 2, None),
    ],
)
def test_axes_of_the_matrices(name, ndim, axes):
    assert matrix_axes(name, ndim) == axes


def test_groups_have_learning_rates_of_their_own(params):
    one = updates_of(MUON, params)
    twice = updates_of(
        dataclasses.replace(MUON, options=MuonOptions(learning_rate_scale=2.0)), params
    )
    agree(matrices(twice), {name: 2 * x for name, x in matrices(one).items()})
    agree(twice["bert"]["embeddings"], one["bert"]["embeddings"])


def step_on(recipe, batch, sizes, compute):
    """Canonical parameters after two steps on a mesh."""
    recipe = recipe.copy_and_resolve_references()
    recipe.mesh.update(sizes)
    recipe.compute.update(compute)
    config = configs.resolve(recipe)
    mesh, plan = meshes.make_mesh(config.mesh), without_data(config)
    with jax.set_mesh(mesh):
        sharding = jax.tree.map(lambda x: x.sharding, state.state_shapes(plan, mesh))
        now = jax.jit(lambda: state.initial_state(plan), out_shardings=sharding)()
        step = jax.jit(
            make_train_step(plan),
            in_shardings=(sharding, meshes.row_sharding(mesh)),
            out_shardings=(sharding, meshes.replicated(mesh)),
        )
        for _ in range(2):
            now, _ = step(now, meshes.to_devices(batch, mesh, config.train.batch_size))
        canonical = layout.to_canonical(now, config.model, config.compute)
        return jax.device_get((canonical.params, canonical.opt_state))


def test_shards_are_updated_as_the_whole(recipe, make_batch):
    recipe.optimizer.update(dict(name="muon", warmup_steps=0, learning_rate=1e-2))
    recipe.model.update(dict(hidden_dropout=0.0, attention_dropout=0.0))
    batch = make_batch(configs.resolve(recipe))
    expected = step_on(recipe, batch, {}, {})
    found = step_on(
        recipe,
        batch,
        dict(data=2, fsdp=2, tensor=2),
        dict(scan_layers=True, fused_qkv=True, vocab_multiple=2),
    )
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), found[0], expected[0])


def test_a_run_is_resumed_in_another_layout(recipe, make_batch, tmp_path):
    from bert_jax.checkpoint.checkpoints import Checkpoints
    from bert_jax.text.vocabulary import Vocabulary

    recipe.optimizer.name = "muon"
    recipe.optimizer.muon.momentum = 0.9
    recipe.compute.update(dict(scan_layers=True, fused_qkv=True, vocab_multiple=64))
    config = configs.resolve(recipe)
    batch = make_batch(config)
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    vocabulary = Vocabulary((*special, *(f"t{i}" for i in range(96))))
    plan = without_data(config)
    now, _ = jax.jit(make_train_step(plan))(state.initial_state(plan), batch)
    checkpoints = Checkpoints(tmp_path)
    state.save(checkpoints, now, 1, plan, vocabulary, {})
    checkpoints.wait()
    other = dataclasses.replace(plan, compute=ComputeConfig())
    mesh = meshes.make_mesh(config.mesh)
    with jax.set_mesh(mesh):
        restored = state.restore(checkpoints, 1, other, vocabulary, mesh)
    expected = layout.to_canonical(now, config.model, config.compute)
    jax.tree.map(np.testing.assert_array_equal, restored.opt_state, expected.opt_state)
    checkpoints.close()


def test_keys_without_effect_are_refused(recipe):
    recipe.optimizer.muon.momentum = 0.9
    with pytest.raises(UserError, match="config.optimizer.muon.momentum has no effect"):
        configs.resolve(recipe)
