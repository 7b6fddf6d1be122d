import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax import config as configs
from bert_jax.config import ComputeConfig
from bert_jax.errors import UserError
from bert_jax.model.bert import Bert, initial_params
from bert_jax.model.features import FEATURES, Lstm
from bert_jax.training import state
from bert_jax.training.plan import without_data

EXACT = ComputeConfig(matmul_precision="highest")


def model_of(recipe, features):
    recipe.model.update(dict(num_labels=3, num_layers=5))
    recipe.probe.update(dict(features=features, lstm_size=8))
    recipe.optimizer.frozen = (r"^/bert/",)
    return configs.resolve(recipe)


def packed(batch):
    """Two rows of a batch one after the other in a row, and padding behind them."""

    def joined(name, fill=0):
        return np.concatenate([batch[name][0], batch[name][1], np.full(5, fill)])[None].astype(
            np.int32
        )

    first = batch["segment_ids"][0]
    segments = np.concatenate([first, 2 * batch["segment_ids"][1], np.zeros(5)])[None].astype(
        np.int32
    )
    return {name: joined(name) for name in ("input_ids", "token_type_ids", "position_ids")} | dict(
        segment_ids=segments, example_positions=np.array([[0, len(first)]], np.int32)
    )


@pytest.mark.parametrize("features", ["weighted_last_four", "concat_last_four"])
def test_neighbours_in_a_row_are_not_seen(recipe, make_batch, features):
    config = model_of(recipe, features)
    batch = make_batch(config)
    batch["segment_ids"][:] = 1  # whole rows
    params = initial_params(config.model, ("tag",), jax.random.key(0), config.probe)
    model = Bert(config.model, EXACT, ("tag",), config.probe)
    apart = model.apply({"params": params}, {name: x[:2] for name, x in batch.items()})["tag"]
    together = model.apply({"params": params}, packed(batch))["tag"][0]
    length = apart.shape[1]
    np.testing.assert_allclose(together[:length], apart[0], atol=1e-5)
    np.testing.assert_allclose(together[length : 2 * length], apart[1], atol=1e-5)


@pytest.mark.parametrize(
    "features, layers",
    [
        ("embeddings", [0]),
        ("second_to_last", [4]),
        ("last", [5]),
        ("concat_last_four", [2, 3, 4, 5]),
        ("weighted_last_four", [2, 3, 4, 5]),
        ("weighted_all", [1, 2, 3, 4, 5]),
    ],
)
def test_which_layers_are_read(features, layers):
    states = np.arange(6)
    assert FEATURES[features][0](states).tolist() == layers
    assert FEATURES[features][1] == ("weighted" if "weighted" in features else "concatenated")


def test_only_what_reads_is_trained(recipe, make_batch):
    from bert_jax.training.step import make_train_step

    config = dataclasses.replace(model_of(recipe, "weighted_all"), objectives=("tag",))
    batch = make_batch(config)
    batch |= dict(
        labels=batch["input_ids"] % 3, label_weights=batch["segment_ids"].astype(np.float32)
    )
    before = state.initial_state(without_data(config))
    after = before
    step = jax.jit(make_train_step(without_data(config)))
    for _ in range(3):
        after, metrics = step(after, batch)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, before.params["bert"], after.params["bert"]))
    moved = jax.tree.map(
        lambda x, y: bool(jnp.any(x != y)), before.params["features"], after.params["features"]
    )
    assert jax.tree.all(moved) and float(metrics["gradient_norm"]) > 0


def test_frozen_parameters_stay_without_features_too(recipe, make_batch):
    from bert_jax.training.step import make_train_step

    recipe.optimizer.frozen = (r"/embeddings/", r"layer_0/")
    config = configs.resolve(recipe)
    before = state.initial_state(without_data(config))
    step, batch = jax.jit(make_train_step(without_data(config))), make_batch(config)
    after, _ = step(step(before, batch)[0], batch)  # the first step's learning rate is 0
    bert, same = (
        before.params["bert"],
        lambda x, y: jax.tree.all(jax.tree.map(jnp.array_equal, x, y)),
    )
    assert same(bert["embeddings"], after.params["bert"]["embeddings"])
    assert same(bert["encoder"]["layer_0"], after.params["bert"]["encoder"]["layer_0"])
    assert not same(bert["encoder"]["layer_1"], after.params["bert"]["encoder"]["layer_1"])


def test_features_need_a_frozen_bert_and_a_head_of_tokens(recipe):
    recipe.probe.features = "last"
    with pytest.raises(UserError, match="optimizer.frozen is out of range"):
        configs.resolve(recipe)
    recipe.optimizer.frozen = (r"^/bert/",)
    with pytest.raises(UserError, match="(?s)features is 'last'.*'mlm'"):
        state.make_model(without_data(configs.resolve(recipe)))


@pytest.mark.full
def test_lstm_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, segments = (
        rng.normal(size=(3, 9, 5)).astype(np.float32),
        np.array([[1] * 9, [1] * 4 + [2] * 5, [1] * 9]),
    )
    module = Lstm(7, "highest")
    params = module.init(jax.random.key(0), x, segments)["params"]
    theirs = torch.nn.LSTM(5, 7, batch_first=True)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(torch.tensor(np.asarray(params["kernel"]).T))
        theirs.weight_hh_l0.copy_(torch.tensor(np.asarray(params["recurrent_kernel"]).T))
        theirs.bias_ih_l0.copy_(torch.tensor(np.asarray(params["bias"])))
        theirs.bias_hh_l0.zero_()
        parts = [(0, 0, 9), (1, 0, 4), (1, 4, 9), (2, 0, 9)]
        found = module.apply({"params": params}, x, segments)
        for row, begin, end in parts:
            expected = theirs(torch.tensor(x[row : row + 1, begin:end]))[0][0]
            np.testing.assert_allclose(found[row, begin:end], expected, atol=1e-6)
