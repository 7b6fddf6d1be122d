"""`bert_jax.load` and the model that it returns, with the tiny BERT of verification."""

import io
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

import bert_jax
from bert_jax import config as configs
from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.config import ComputeConfig
from bert_jax.errors import UserError
from bert_jax.inference import progress_bar
from bert_jax.inference.fine_tuned import FineTuned
from bert_jax.inference.length_batches import length_batches, padded_length, padded_rows
from bert_jax.inference.text_encoding import EncodedText
from bert_jax.model.bert import Bert
from bert_jax.runs import files
from bert_jax.training.loop import train
from tests.conftest import recipe_of_tasks, shortened
from tests.made_models import GOLDEN, write_model
from tests.made_tasks import rows

ROOT = Path(__file__).parents[2]
TEXTS = ["a b c", "w55", "w34 r a b [MASK] c d e f", "", "b a"]


@pytest.fixture(scope="module")
def model():
    return bert_jax.load(GOLDEN, matmul_precision="highest")


@pytest.fixture(scope="module")
def reference():
    """`reference(ids, types)`: the outputs of the model for one text alone, without padding, from
    `Bert` itself."""
    pretrained = open_pretrained(GOLDEN)
    bert = Bert(pretrained.model, ComputeConfig(matmul_precision="highest"), pretrained.heads)
    params = pretrained.read()

    def outputs(ids, types=None, masked=(0,)):
        ones = np.ones((1, len(ids)), np.int32)
        batch = dict(
            input_ids=np.array([ids], np.int32),
            token_type_ids=ones * 0 if types is None else np.array([types], np.int32),
            position_ids=np.arange(len(ids), dtype=np.int32)[None],
            segment_ids=ones,
            example_positions=np.zeros((1, 1), np.int32),
            masked_positions=np.array([masked], np.int32),
        )
        return jax.device_get(bert.apply({"params": params}, batch, collect=True))

    return outputs


def ids_of(model, text):
    tokens = ["[CLS]", *model.tokenize(text), "[SEP]"]
    return [model.vocabulary.ids[token] for token in tokens]


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
@pytest.mark.parametrize("normalize", [True, False])
def test_vectors_are_pooled_hidden_states_in_the_order_of_the_texts(
    model, reference, pooling, normalize
):
    vectors = model.encode(TEXTS, pooling=pooling, normalize=normalize)
    assert vectors.shape == (len(TEXTS), 32) and vectors.dtype == np.float32
    for text, vector in zip(TEXTS, vectors, strict=True):
        hidden = reference(ids_of(model, text))["hidden"][0]
        expected = dict(mean=hidden.mean(0), cls=hidden[0], max=hidden.max(0))[pooling]
        if normalize:
            expected = expected / np.linalg.norm(expected)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_a_single_text_and_no_text(model):
    one = model.encode("a b c")
    assert one.shape == (32,)
    np.testing.assert_allclose(one, model.encode(["a b c"])[0], atol=1e-6)
    assert model.encode([]).shape == (0, 32)
    assert model.hidden_states([]) == model.attentions([]) == model.fill_mask([]) == []


def test_pairs_are_read_together(model, reference):
    vector = model.encode("a b", pairs="c", normalize=False)
    states = model.hidden_states(["a b"], ["c"])[0]
    assert states.tokens == ["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"]
    ids = [model.vocabulary.ids[token] for token in states.tokens]
    hidden = reference(ids, [0, 0, 0, 0, 1, 1])["hidden"][0]
    np.testing.assert_allclose(vector, hidden.mean(0), atol=1e-5)
    with pytest.raises(ValueError, match="2 texts and 1 second texts"):
        model.encode(["a", "b"], pairs=["c"])
    with pytest.raises(ValueError, match="a string and a sequence"):
        model.encode("a", pairs=["c"])


def test_long_texts_lose_their_end():
    model = bert_jax.load(GOLDEN, length=6)
    assert model.hidden_states("a b c d e f g").tokens == "[CLS] a b c d [SEP]".split()
    tokens = model.hidden_states("a b c d e", "f").tokens
    assert tokens == "[CLS] a b [SEP] f [SEP]".split()
    with pytest.raises(UserError, match="(?s)texts of 25 tokens.*4 to 24"):
        bert_jax.load(GOLDEN, length=25)


def test_hidden_states_and_attentions_without_padding(model, reference):
    states, attentions = model.hidden_states(TEXTS), model.attentions(TEXTS)
    for text, hidden, attention in zip(TEXTS, states, attentions, strict=True):
        ids = ids_of(model, text)
        assert hidden.tokens == attention.tokens == [model.vocabulary.tokens[id] for id in ids]
        outputs = reference(ids)
        assert hidden.values.shape == (3, len(ids), 32)
        np.testing.assert_allclose(hidden.values, outputs["hidden_states"][:, 0], atol=1e-5)
        assert attention.values.shape == (2, 4, len(ids), len(ids))
        np.testing.assert_allclose(attention.values, outputs["attentions"][:, 0], atol=1e-5)
        np.testing.assert_allclose(attention.values.sum(-1), 1, atol=1e-5)
    assert model.hidden_states("a b").values.shape == (3, 4, 32)


def test_masks_are_filled(model, reference):
    text = "w34 [MASK]a [MASK] b"
    first, second = model.fill_mask(text, top_k=120)
    ids = ids_of(model, text)
    masked = [place for place, id in enumerate(ids) if id == model.vocabulary.mask]
    logits = reference(ids, masked=masked)["mlm"][0]
    for candidates, row in zip((first, second), logits, strict=True):
        scores = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        order = np.argsort(-scores, kind="stable")
        assert [one.token for one in candidates[:5]] == [
            model.vocabulary.tokens[id] for id in order[:5]
        ]
        np.testing.assert_allclose([one.score for one in candidates], scores[order], atol=1e-6)
    assert sum(one.score for one in first) == pytest.approx(1, abs=1e-5)
    for one in first:
        if one.token.startswith("##"):
            assert one.text == f"w34{one.token[2:]}a [MASK] b"
        else:
            assert one.text == f"w34 {one.token}a [MASK] b"
    assert all(one.text.startswith("w34 [MASK]a") for one in second)
    several = model.fill_mask(["a [MASK]", text, "[MASK]"], top_k=2)
    assert [len(masks) for masks in several] == [1, 2, 1]
    assert [one.token for one in several[1][0]] == [one.token for one in first[:2]]


def test_what_cannot_be_filled(model, tmp_path):
    with pytest.raises(UserError, match=r"(?s)text 1 .counted from 0. has no \[MASK\].*'b'"):
        model.fill_mask(["[MASK]", "b"])
    with pytest.raises(UserError, match="(?s)too long.*1 of 2"):
        model.fill_mask("[MASK]" + " a" * 30 + " [MASK]")
    with pytest.raises(ValueError, match="top_k is 0; expected 1 to 120"):
        model.fill_mask("[MASK]", top_k=0)
    encoder = open_pretrained(GOLDEN, heads=())
    convert(encoder, tmp_path / "encoder", "hf")
    with pytest.raises(UserError, match="(?s)encoder cannot fill masks.*none.*'mlm'"):
        bert_jax.load(tmp_path / "encoder").fill_mask("[MASK]")


def test_wrong_arguments(model, tmp_path):
    with pytest.raises(ValueError, match="pooling is 'sum'; expected one of mean, cls, max"):
        model.encode("a", pooling="sum")
    with pytest.raises(TypeError, match="a text is a string, not int: 3"):
        model.encode(["a", 3])
    with pytest.raises(ValueError, match="batch_size is 0"):
        bert_jax.load(GOLDEN, batch_size=0)
    with pytest.raises(UserError, match="(?s)nowhere is no checkpoint.*no such directory"):
        bert_jax.load(tmp_path / "nowhere")


def test_tokenize(model):
    assert model.tokenize("a [MASK]b, W55") == ["a", "[MASK]", "b", "[UNK]", "w55"]
    assert model.tokenize("[SEP]") != ["[SEP]"]
    assert len(model.tokenize("a " * 100)) == 100


def test_apply_is_a_pure_function_for_jit_and_grad(model):
    batch = model.batch(["a [MASK] b", "c"])

    apply = jax.jit(model.apply, static_argnames="collect")

    @jax.jit
    def loss(params):
        outputs = model.apply(params, batch)
        return -jnp.mean(jax.nn.log_softmax(outputs["mlm"])[0, 0, 7])

    value, gradient = jax.jit(jax.value_and_grad(loss))(model.params)
    assert jax.tree.structure(gradient) == jax.tree.structure(model.params)
    score = dict((one.token, one.score) for one in model.fill_mask("a [MASK] b", 120)[0])
    assert np.exp(-value) == pytest.approx(score[model.vocabulary.tokens[7]], rel=1e-5)
    stepped = jax.tree.map(lambda x, g: x - 0.1 * g, model.params, gradient)
    assert loss(stepped) < value
    key = jax.random.key(0)
    dropped = apply(model.params, batch, dropout_key=key)["hidden"]
    assert not np.allclose(dropped, apply(model.params, batch)["hidden"])
    collected = apply(model.params, batch, collect=True)
    assert collected["attentions"].shape == (2, 2, 4, 5, 5)


def test_repr_says_what_it_is(model):
    for part in ("golden/bert'", "layers=2", "hidden_size=32", "('mlm', 'nsp')", "24_186"):
        assert part in repr(model)


@pytest.mark.parametrize("format", ["orbax", "hf"])
def test_every_format_gives_the_same_vectors(model, format, tmp_path):
    convert(open_pretrained(GOLDEN), tmp_path / "copy", format)
    other = bert_jax.load(str(tmp_path / "copy"), matmul_precision="highest")
    np.testing.assert_allclose(other.encode(TEXTS), model.encode(TEXTS), atol=1e-6)
    assert other.fill_mask("a [MASK]")[0][0].token == model.fill_mask("a [MASK]")[0][0].token


@pytest.mark.full
def test_google_s_format_gives_the_same_vectors(model, tmp_path):
    pytest.importorskip("tensorflow")
    convert(open_pretrained(GOLDEN), tmp_path / "copy", "tf1")
    other = bert_jax.load(tmp_path / "copy", matmul_precision="highest")
    # Google computes GELU by tanh, and so does a model that comes from there.
    np.testing.assert_allclose(other.encode(TEXTS), model.encode(TEXTS), atol=1e-2)


def test_it_predicts_what_the_fine_tuned_model_predicts(tmp_path):
    write_model(tmp_path / "model", ("class",), labels=("yes", "no"), kind="classification")
    texts = ["a b", "c d e f", "w34 w55"]
    model = bert_jax.load(tmp_path / "model")
    assert model.labels == ("yes", "no") and model.encode(texts).shape == (3, 32)
    predictions = model.predict(texts)
    for one, other in zip(predictions, FineTuned.load(tmp_path / "model")(texts), strict=True):
        assert one["prediction"] == other["prediction"] in model.labels
        np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-5)
    probabilities = model.predict(texts[0])["probabilities"]
    np.testing.assert_allclose(probabilities, predictions[0]["probabilities"], atol=1e-5)
    pair = model.predict("a b", "c")["probabilities"]
    np.testing.assert_allclose(pair, model.predict(["a b"], ["c"])[0]["probabilities"], atol=1e-5)
    assert pair != probabilities and model.predict([]) == []


@pytest.mark.full
def test_a_run_predicts(tasks_dir, tmp_path):
    train(configs.resolve(shortened(recipe_of_tasks(tasks_dir))), tmp_path, Console(quiet=True))
    texts = [row["text"] for row in rows("classification", 60, 1)]
    written = (tmp_path / files.PREDICTIONS / "validation.jsonl").read_text().splitlines()
    for path in (tmp_path, next((tmp_path / "checkpoints").glob("[0-9]*"))):
        predictions = bert_jax.load(path).predict(texts)
        expected = [json.loads(line)["prediction"] for line in written]
        assert [one["prediction"] for one in predictions] == expected


def test_predicting_needs_a_task(model):
    with pytest.raises(UserError, match="has not learned a task"):
        model.predict(["a"])


def test_two_thousand_texts_have_few_shapes():
    rng = np.random.default_rng(0)
    texts = [" ".join(["a"] * n) for n in rng.integers(1, 20, 2000)]
    model = bert_jax.load(GOLDEN)
    vectors = model.encode(texts)
    # 24 positions: lengths 16 and 24, and one smaller last batch.
    assert model._vectors._cache_size() <= 3
    numbers = rng.permutation(2000)
    shuffled = model.encode([texts[number] for number in numbers])
    np.testing.assert_allclose(shuffled, vectors[numbers], atol=1e-5)
    assert model._vectors._cache_size() <= 3


def test_batches_are_of_similar_lengths_and_few_shapes():
    rng = np.random.default_rng(0)
    ids = np.arange(512, dtype=np.int32)
    lengths = rng.integers(2, 513, 2000)
    encoded = [EncodedText(ids[:n], ids[:n] * 0) for n in lengths]
    batches = list(length_batches(encoded, 32, 8, 512, pad=0, mask=-1))
    shapes = [batch.arrays["input_ids"].shape for batch in batches]
    assert len(set(shapes)) <= 12 and all(rows % 8 == 0 for rows, _ in shapes)
    assert sum(rows * length for rows, length in shapes) < 1.25 * lengths.sum()
    numbers = np.concatenate([batch.numbers for batch in batches])
    assert sorted(numbers) == list(range(2000))
    for batch in batches:
        segments = batch.arrays["segment_ids"]
        np.testing.assert_array_equal(segments.sum(1)[: len(batch.numbers)], lengths[batch.numbers])


def test_padded_sizes():
    assert [padded_length(n, 512) for n in (2, 16, 17, 25, 33, 49, 65, 400)] == [
        *(16, 16, 24, 32, 48, 64, 96, 512)
    ]
    assert padded_length(300, 300) == padded_length(290, 300) == 300
    assert [padded_rows(n, 1) for n in (0, 1, 2, 3, 5, 64)] == [1, 1, 2, 4, 8, 64]
    assert [padded_rows(n, 6) for n in (1, 6, 7, 13)] == [6, 6, 12, 24]


@pytest.mark.parametrize(
    "terminal, after, shown", [(True, 0, True), (True, 60, False), (False, 0, False)]
)
def test_progress_is_shown_of_long_work_on_a_terminal(monkeypatch, terminal, after, shown):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal)
    monkeypatch.setattr(progress_bar, "Console", lambda stderr: console)
    with progress_bar.progress_bar("texts encoded", 10, after) as advance:
        advance(4)
        advance(6)
    assert ("texts encoded" in stream.getvalue()) is shown
    assert shown or not stream.getvalue()


def test_importing_is_light_and_loading_imports_no_tasks():
    code = (
        "import sys, bert_jax; heavy = ('jax', 'flax', 'numpy', 'orbax', 'rich');"
        "print(*(name for name in heavy if name in sys.modules));"
        f"bert_jax.load({str(GOLDEN)!r}).encode('a');"
        "print(*(name for name in ('tensorflow_datasets', 'grain', 'bert_jax.training.loop') "
        "if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("\n\n", 0), done.stderr
