"""Against what Hugging Face's PyTorch BERT computed from the same weights; `tests.golden.make` made
the files."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bert_jax.checkpoint import hf
from bert_jax.checkpoint.names import hf as name_of
from bert_jax.checkpoint.pretrained import flat
from bert_jax.config import ComputeConfig
from bert_jax.model.bert import Bert
from bert_jax.objectives import choose

GOLDEN = Path(__file__).parents[2] / "bert_jax" / "verification" / "golden"
EXACT = ComputeConfig(matmul_precision="highest")


@pytest.fixture(scope="module")
def golden():
    pretrained = hf.open(GOLDEN / "bert")
    return pretrained, pretrained.read(), dict(np.load(GOLDEN / "outputs.npz"))


def apply(golden, compute=EXACT, change=lambda batch: batch, **options):
    pretrained, params, batch = golden
    batch = {
        name: batch[name] for name in batch if batch[name].ndim and not name.startswith("gradient")
    }
    return Bert(pretrained.model, compute, pretrained.heads).apply(
        {"params": params}, change(batch), **options
    )


def test_outputs(golden):
    _, _, expected = golden
    found = apply(golden, collect=True)
    present = expected["segment_ids"] > 0
    np.testing.assert_allclose(
        found["hidden_states"][:, present], expected["hidden_states"][:, present], atol=2e-5
    )
    np.testing.assert_allclose(found["pooled"][:, 0], expected["pooled"], atol=2e-5)
    logits = np.take_along_axis(expected["mlm"], expected["masked_positions"][..., None], 1)
    np.testing.assert_allclose(found["mlm"], logits, atol=2e-5)
    np.testing.assert_allclose(found["nsp"][:, 0], expected["nsp"], atol=2e-5)


def test_loss_and_gradients(golden):
    """The bound is the one of the tests with PyTorch: 1e-4 of a parameter's norm, or of a
    thousandth of the whole."""
    pretrained, params, batch = golden
    model = Bert(pretrained.model, EXACT, pretrained.heads)

    def total(params):
        outputs = model.apply({"params": params}, batch)
        return sum(
            o.terms(outputs[name], batch).loss / o.weight(batch)
            for name, o in choose(("mlm", "nsp")).items()
        )

    loss, gradients = jax.value_and_grad(total)(params)
    np.testing.assert_allclose(loss, batch["loss"], rtol=1e-5)
    expected = {}
    for path in flat(params):
        name, transposed = name_of(path)
        gradient = batch[f"gradient/{name}"]
        expected[path] = gradient.T if transposed else gradient
    whole = np.sqrt(sum(np.sum(np.square(g)) for g in expected.values()))
    for path, gradient in flat(gradients).items():
        bound = 1e-4 * max(np.linalg.norm(expected[path]), 1e-3 * whole)
        assert np.linalg.norm(gradient - expected[path]) <= bound, path


def test_the_wrong_gelu_shows(golden):
    """So that the bound means something: the other form of GELU is outside of it."""
    pretrained, params, batch = golden
    other = dataclasses.replace(
        pretrained, model=dataclasses.replace(pretrained.model, activation="gelu_tanh")
    )
    assert np.abs(apply((other, params, batch))["nsp"][:, 0] - batch["nsp"]).max() > 2e-5


def test_order_and_company_change_nothing(golden):
    """An example's outputs are its own: to the bit in the same shape, to rounding in a longer
    row."""
    _, _, batch = golden
    run = jax.jit(lambda batch: apply((golden[0], golden[1], batch)))
    inputs = {
        name: batch[name]
        for name in (
            "input_ids",
            "token_type_ids",
            "position_ids",
            "segment_ids",
            "example_positions",
            "masked_positions",
        )
    }
    whole = run(inputs)
    order = np.array([3, 0, 5, 1, 4, 2])
    moved = run({name: x[order] for name, x in inputs.items()})
    rng = np.random.default_rng(0)
    others = dict(
        inputs,
        input_ids=np.concatenate([inputs["input_ids"][:1], rng.integers(5, 120, (5, 24))]).astype(
            np.int32
        ),
    )
    company = run(others)
    longer = run(
        {name: np.pad(x, ((0, 0), (0, 8))) if x.shape[1] == 24 else x for name, x in inputs.items()}
    )
    for name in ("pooled", "mlm", "nsp"):
        np.testing.assert_array_equal(moved[name], whole[name][order])
        np.testing.assert_array_equal(company[name][0], whole[name][0])
        np.testing.assert_allclose(longer[name], whole[name], atol=2e-6)


def test_bfloat16_is_within_a_percent(golden):
    """The stated bound: the mean difference is at most 1% of the mean size, and 5% anywhere of the
    largest."""
    exact, rough = apply(golden), apply(golden, dataclasses.replace(EXACT, dtype="bfloat16"))
    for name in ("pooled", "mlm", "nsp"):
        difference = np.abs(rough[name].astype(jnp.float32) - exact[name])
        assert difference.mean() <= 0.01 * np.abs(exact[name]).mean()
        assert difference.max() <= 0.05 * np.abs(exact[name]).max()
