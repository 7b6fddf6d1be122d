import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.checkpoint import layout
from bert_jax.config import ComputeConfig
from bert_jax.model.bert import Bert
from bert_jax.model.bert import initial_params as initial
from bert_jax.model.layers import Dropout
from bert_jax.training.plan import without_data
from bert_jax.training.state import initial_params

HEADS = ("mlm", "nsp")


@pytest.fixture
def config(recipe):
    recipe.model.hidden_dropout = 0.1
    return configs.resolve(recipe)


@pytest.fixture
def params(config):
    """Parameters with no zeros and ones left, so that nothing is invisible."""
    leaves, tree = jax.tree.flatten(initial_params(without_data(config)))
    keys = jax.random.split(jax.random.key(1), len(leaves))
    return tree.unflatten([x + 0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves)])


def model(config, **compute):
    return Bert(config.model, dataclasses.replace(config.compute, **compute), HEADS)


def test_shapes(config, params, make_batch):
    out = model(config).apply({"params": params}, make_batch(config), collect=True)
    shapes = {name: x.shape for name, x in out.items()}
    assert shapes == dict(
        hidden=(8, 16, 32),
        pooled=(8, 1, 32),
        mlm=(8, 4, 101),
        nsp=(8, 1, 2),
        hidden_states=(3, 8, 16, 32),
        attentions=(2, 8, 2, 16, 16),
    )
    np.testing.assert_array_equal(out["hidden_states"][-1], out["hidden"])


def test_attention_stays_within_an_example(config, params, make_batch):
    batch = make_batch(config)
    attentions = model(config).apply({"params": params}, batch, collect=True)["attentions"]
    inside = batch["segment_ids"][:, :, None] == batch["segment_ids"][:, None, :]
    np.testing.assert_allclose(attentions.sum(-1), 1, rtol=1e-5)
    assert np.all(np.where(inside[None, :, None], 0, attentions) == 0)


def test_padding_changes_neither_outputs_nor_gradients(config, params, make_batch):
    """To the bit: token ids, types and positions in padded places, and ids of unused
    predictions."""
    batch = make_batch(config)
    padding = batch["segment_ids"] == 0
    rng = np.random.default_rng(3)
    other = dict(batch)
    for name, top in (("input_ids", 101), ("token_type_ids", 2), ("position_ids", 16)):
        other[name] = np.where(padding, rng.integers(0, top, padding.shape), batch[name]).astype(
            np.int32
        )

    def loss(params, batch):
        out = model(config).apply({"params": params}, batch)
        return (out["mlm"] * batch["masked_weights"][..., None]).sum() + out["nsp"].sum()

    one, two = (jax.jit(jax.value_and_grad(loss))(params, b) for b in (batch, other))
    assert jax.tree.all(jax.tree.map(jnp.array_equal, one, two))


def test_causal_attention_sees_nothing_that_follows(config, params, make_batch):
    batch = make_batch(config)
    changed = batch | dict(input_ids=np.where(np.arange(16) < 5, batch["input_ids"], 7))
    for causal in (True, False):
        of_kind = dataclasses.replace(
            config, model=dataclasses.replace(config.model, causal=causal)
        )
        one, two = (
            model(of_kind).apply({"params": params}, x)["hidden"][:, :5] for x in (batch, changed)
        )
        assert np.allclose(one, two, atol=1e-6) == causal


def test_causal_attention_pools_the_last_token(config, params, make_batch):
    batch = make_batch(config)
    causal = model(
        dataclasses.replace(config, model=dataclasses.replace(config.model, causal=True))
    )
    out = causal.apply({"params": params}, batch)
    last = out["hidden"][np.arange(8), batch["segment_ids"].sum(1) - 1]
    dense = params["bert"]["pooler"]["dense"]
    np.testing.assert_allclose(
        out["pooled"][:, 0], np.tanh(last @ dense["kernel"] + dense["bias"]), atol=1e-5
    )


@pytest.mark.parametrize("causal", [False, True])
def test_packed_examples_are_as_they_are_alone(config, params, causal):
    """Two examples in one row, and the same two in rows of their own."""
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, causal=causal))
    rng = np.random.default_rng(0)
    first, second = rng.integers(5, 101, 7), rng.integers(5, 101, 9)

    def rows(*examples_of_rows):
        made = {
            name: np.zeros((len(examples_of_rows), 16), np.int32)
            for name in ("input_ids", "token_type_ids", "position_ids", "segment_ids")
        }
        positions = []
        for row, examples in enumerate(examples_of_rows):
            begin, starts = 0, []
            for number, ids in enumerate(examples, 1):
                at = slice(begin, begin + len(ids))
                made["input_ids"][row, at], made["segment_ids"][row, at] = ids, number
                made["position_ids"][row, at] = np.arange(len(ids))
                made["token_type_ids"][row, at] = np.arange(len(ids)) > 3
                starts.append(begin)
                begin += len(ids)
            positions.append(starts)
        return made | dict(
            example_positions=np.array(positions, np.int32),
            masked_positions=np.array(positions, np.int32) + 2,
        )

    packed = model(config).apply({"params": params}, rows([first, second]))
    alone = model(config).apply({"params": params}, rows([first], [second]))
    np.testing.assert_allclose(packed["hidden"][0, :7], alone["hidden"][0, :7], atol=1e-5)
    np.testing.assert_allclose(packed["hidden"][0, 7:16], alone["hidden"][1, :9], atol=1e-5)
    for name in ("pooled", "nsp", "mlm"):
        np.testing.assert_allclose(packed[name][0], alone[name][:, 0], atol=1e-5)


@pytest.mark.parametrize(
    "compute",
    [
        dict(scan_layers=True),
        dict(fused_qkv=True),
        dict(vocab_multiple=64),
        dict(scan_layers=True, fused_qkv=True, vocab_multiple=64),
        dict(remat="full"),
        dict(remat="dots", scan_layers=True),
    ],
)
def test_layouts_compute_the_same(config, params, make_batch, compute):
    batch = make_batch(config)
    compute = dataclasses.replace(config.compute, **compute)
    laid_out = layout.from_canonical(params, config.model, compute)

    def loss(compute, params):
        out = Bert(config.model, compute, HEADS).apply({"params": params}, batch)
        return sum((out[name][..., :2] ** 2).sum() for name in HEADS)

    expected, expected_gradient = jax.value_and_grad(lambda p: loss(config.compute, p))(params)
    found, gradient = jax.value_and_grad(lambda p: loss(compute, p))(laid_out)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4),
        layout.to_canonical(gradient, config.model, compute),
        expected_gradient,
    )


def test_padded_vocabulary_is_never_predicted(config, params, make_batch):
    compute = ComputeConfig(vocab_multiple=64)
    logits = Bert(config.model, compute, HEADS).apply(
        {"params": layout.from_canonical(params, config.model, compute)}, make_batch(config)
    )["mlm"]
    assert logits.shape[-1] == 128
    assert np.all(jax.nn.softmax(logits)[..., 101:] == 0)


def test_bfloat16_is_near_float32(config, params, make_batch):
    batch = make_batch(config)
    exact, rough = (
        model(config, dtype=dtype).apply({"params": params}, batch)
        for dtype in ("float32", "bfloat16")
    )
    assert (
        rough["hidden"].dtype == jnp.bfloat16
        and rough["mlm"].dtype == rough["nsp"].dtype == jnp.float32
    )
    assert np.abs(rough["mlm"] - exact["mlm"]).max() < 0.05 * np.abs(exact["mlm"]).max()


def test_initial_values(recipe):
    recipe.model.hidden_size, recipe.model.vocab_size = 128, 5000
    params = initial_params(without_data(configs.resolve(recipe)))
    table = np.asarray(params["bert"]["embeddings"]["word_embeddings"]["embedding"])
    assert np.abs(table).max() <= 0.04 + 1e-6
    assert table.std() == pytest.approx(
        0.02 * 0.8796, rel=0.01
    )  # of a normal truncated at two deviations
    layer = params["bert"]["encoder"]["layer_1"]
    assert np.all(layer["attention"]["query"]["bias"] == 0) and np.all(
        layer["attention_layer_norm"]["scale"] == 1
    )
    assert not np.array_equal(
        layer["attention"]["query"]["kernel"], layer["attention"]["key"]["kernel"]
    )


def test_initial_values_of_a_whole_normal(recipe):
    recipe.model.hidden_size, recipe.model.vocab_size, recipe.model.initializer = (
        128,
        5000,
        "normal",
    )
    table = np.asarray(
        initial_params(without_data(configs.resolve(recipe)))["bert"]["embeddings"][
            "word_embeddings"
        ]["embedding"]
    )
    assert table.std() == pytest.approx(0.02, rel=0.01) and np.abs(table).max() > 0.06


@pytest.mark.parametrize(
    "heads, last",
    [
        ((), []),
        (("mlm", "nsp"), []),
        (("span",), []),
        (("class",), [(0.3, (8, 1, 32))]),
        (("choice",), [(0.3, (8, 1, 32))]),
        (("tag",), [(0.3, (8, 16, 32))]),
    ],
)
def test_where_dropout_is(recipe, make_batch, heads, last):
    """After the embeddings, on attention probabilities, on what each sub-layer gives; before some
    heads."""
    recipe.model.update(
        dict(hidden_dropout=0.1, attention_dropout=0.2, classifier_dropout=0.3, num_labels=3)
    )
    config = configs.resolve(recipe)
    found = []

    def note(call, arguments, options, context):
        if isinstance(context.module, Dropout):
            found.append((context.module.rate, arguments[0].shape))
        return call(*arguments, **options)

    params = initial(config.model, heads, jax.random.key(0))
    with nn.intercept_methods(note):
        Bert(config.model, config.compute, heads).apply(
            {"params": params},
            make_batch(config),
            deterministic=False,
            rngs={"dropout": jax.random.key(0)},
        )
    hidden, attention = (0.1, (8, 16, 32)), (0.2, (8, 2, 16, 16))
    assert found == [hidden, *[attention, hidden, hidden] * 2, *last]


def test_dropout_is_the_rows_own(config, params, make_batch):
    """A row's dropout depends on its number, not on its neighbours, and its rate is as asked."""
    batch = make_batch(config)
    key = {"dropout": jax.random.key(5)}
    whole = model(config).apply({"params": params}, batch, deterministic=False, rngs=key)
    part = model(config).apply(
        {"params": params},
        {k: v[5:] for k, v in batch.items()},
        rows=jnp.arange(5, 8),
        deterministic=False,
        rngs=key,
    )
    np.testing.assert_allclose(part["mlm"], whole["mlm"][5:], atol=1e-5)
    again = model(config).apply(
        {"params": params}, batch, deterministic=False, rngs={"dropout": jax.random.key(6)}
    )
    assert not np.allclose(again["mlm"], whole["mlm"], atol=1e-3)
