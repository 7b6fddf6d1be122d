"""Checkpoints against those who read and wrote them first: transformers, TensorFlow,
pytorch-pretrained-bert.

Run by `make test-full`.
"""

import dataclasses
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.checkpoint.pretrained import flat
from bert_jax.config import ComputeConfig
from bert_jax.model.bert import Bert, initial_params
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import wordpiece
from tests.golden.batches import batch

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
make = pytest.importorskip("tests.golden.make")

CLASSES = {
    "BertModel": (),
    "BertForPreTraining": ("mlm", "nsp"),
    "BertForMaskedLM": ("mlm",),
    "BertForNextSentencePrediction": ("nsp",),
    "BertForSequenceClassification": ("class",),
    "BertForTokenClassification": ("tag",),
    "BertForQuestionAnswering": ("span",),
    "BertForMultipleChoice": ("choice",),
    "BertLMHeadModel": ("mlm",),
}


def ours(pretrained, examples):
    compute = ComputeConfig(matmul_precision="highest")
    return Bert(pretrained.model, compute, pretrained.heads).apply(
        {"params": pretrained.read()}, examples
    )


def theirs(model, examples) -> dict[str, np.ndarray]:
    """The outputs of a class of transformers, by the names of our heads and in their shapes."""
    inputs = make.inputs(examples)
    choices = type(model).__name__ == "BertForMultipleChoice"
    if choices:
        inputs = {
            name: x[None] for name, x in inputs.items()
        }  # all rows are choices of one question
    with torch.no_grad():
        found = model(**inputs)
    found = {name: x.numpy() for name, x in found.items() if torch.is_tensor(x)}
    at = examples["masked_positions"][..., None]
    name = type(model).__name__
    if name == "BertModel":
        return dict(pooled=found["pooler_output"][:, None], hidden=found["last_hidden_state"])
    if name == "BertForPreTraining":
        return dict(
            mlm=np.take_along_axis(found["prediction_logits"], at, 1),
            nsp=found["seq_relationship_logits"][:, None],
        )
    if name == "BertForQuestionAnswering":
        return dict(span=np.stack([found["start_logits"], found["end_logits"]], -1))
    if name in ("BertForMaskedLM", "BertLMHeadModel"):
        return dict(mlm=np.take_along_axis(found["logits"], at, 1))
    (head,) = CLASSES[name]
    return {
        head: found["logits"]
        if head == "tag"
        else (found["logits"].T if choices else found["logits"])[:, None]
    }


def agree(found, expected, examples):
    present = examples["segment_ids"] > 0
    for name, x in expected.items():
        per_token = name in ("hidden", "tag", "span")
        np.testing.assert_allclose(
            *(y[present] if per_token else y for y in (np.asarray(found[name]), x)), atol=2e-5
        )


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_there_and_back(tmp_path, name):
    """Loaded from transformers with the same outputs, and given back with no missing and no
    unexpected tensor."""
    model = make.random_model(
        getattr(transformers, name),
        seed=3,
        num_labels=2 if "Question" in name else 5,
        is_decoder=name == "BertLMHeadModel",
    )
    model.save_pretrained(tmp_path / "theirs")
    (tmp_path / "theirs" / "vocab.txt").write_text("\n".join(make.TOKENS) + "\n")
    examples = batch(5)
    found = open_pretrained(tmp_path / "theirs")
    assert (
        found.heads == CLASSES[name]
        and not found.left_out
        and found.model.causal == model.config.is_decoder
    )
    agree(ours(found, examples), theirs(model, examples), examples)
    convert(found, tmp_path / "run", "orbax")
    convert(open_pretrained(tmp_path / "run"), tmp_path / "back", "hf")
    back, said = getattr(transformers, name).from_pretrained(
        tmp_path / "back", output_loading_info=True
    )
    assert not any(said.values()), said
    assert back.state_dict().keys() == model.state_dict().keys()
    for tensor, x in model.state_dict().items():
        assert torch.equal(back.state_dict()[tensor], x), tensor
    assert back.config.num_labels == model.config.num_labels


@pytest.mark.parametrize("newer", [True, False])
def test_pickles_of_whole_models(tmp_path, newer):
    model = make.random_model(transformers.BertForPreTraining, seed=4)
    model.config.save_pretrained(tmp_path)
    torch.save(
        model.state_dict(), tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=newer
    )
    examples = batch(6)
    agree(ours(open_pretrained(tmp_path), examples), theirs(model, examples), examples)


def test_a_model_of_ours_in_transformers(tmp_path):
    """Initialised here, with GELU by tanh and a LayerNorm epsilon of its own."""
    source = open_pretrained(make.SHIPPED / "bert")
    model = dataclasses.replace(source.model, activation="gelu_tanh", layer_norm_epsilon=1e-7)
    params = jax.tree.map(
        lambda x: np.asarray(x) + 0.1, initial_params(model, ("mlm", "nsp"), jax.random.key(0))
    )
    source = dataclasses.replace(source, model=model, read=lambda: params, origin={})
    convert(source, tmp_path / "hf", "hf")
    loaded = transformers.BertForPreTraining.from_pretrained(tmp_path / "hf").eval()
    assert loaded.config.hidden_act == "gelu_new" and loaded.config.layer_norm_eps == 1e-7
    agree(ours(source, batch(7)), theirs(loaded, batch(7)), batch(7))


@pytest.mark.parametrize(
    "settings",
    [
        dict(lowercase=True),
        dict(lowercase=False),
        dict(lowercase=True, accents="keep"),
        dict(lowercase=True, split_cjk=False),
    ],
    ids=str,
)
def test_the_exported_tokenizer_is_the_same(tmp_path, settings):
    source = open_pretrained(make.SHIPPED / "bert")
    tokenizer = dataclasses.replace(source.tokenizer, **settings)
    vocabulary = Vocabulary((*source.vocabulary.tokens, "é", "##é", "中", "国", "##国", "A", "##B"))
    model = dataclasses.replace(source.model, vocab_size=len(vocabulary))
    params = initial_params(model, (), jax.random.key(0))
    convert(
        dataclasses.replace(
            source,
            tokenizer=tokenizer,
            vocabulary=vocabulary,
            model=model,
            heads=(),
            read=lambda: params,
        ),
        tmp_path / "hf",
        "hf",
    )
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    assert loaded.model_max_length == source.model.max_position_embeddings
    encode = wordpiece(vocabulary, open_pretrained(tmp_path / "hf").tokenizer)
    # Not of decomposed letters: our rules of Hugging Face's compose them, as its tokenizer in
    # Python does and the fast one that AutoTokenizer gives does not.
    for text in ("abc w1 w2 xyz", "AB aB É é", "中国 x中", "a" * 120, "hello, w3!", ""):
        expected = loaded(text, "a b")
        ids = encode(text)
        assert expected["input_ids"] == [2, *ids, 3, *encode("a b"), 3]
        assert expected["token_type_ids"] == [0] * (len(ids) + 2) + [1] * 3


@pytest.mark.parametrize("heads", [(), ("mlm", "nsp"), ("class",), ("span",)])
def test_google_checkpoints_come_back_bit_for_bit(tmp_path, heads):
    pytest.importorskip("tensorflow")
    source = open_pretrained(make.SHIPPED / "bert")
    model = dataclasses.replace(
        source.model, num_labels=3 if "class" in heads else 0, activation="gelu_tanh"
    )
    params = jax.tree.map(
        lambda x: np.asarray(x) + 0.1, initial_params(model, heads, jax.random.key(0))
    )
    source = dataclasses.replace(source, model=model, heads=heads, read=lambda: params)
    convert(source, tmp_path / "1", "tf1")
    convert(open_pretrained(tmp_path / "1"), tmp_path / "2", "orbax")
    convert(open_pretrained(tmp_path / "2"), tmp_path / "3", "tf1")
    for path in (tmp_path / "1" / "bert_model.ckpt", tmp_path / "3"):
        found = open_pretrained(path)
        assert (
            found.heads == heads
            and found.model.activation == "gelu_tanh"
            and found.tokenizer.lowercase
        )
        assert flat(found.read()).keys() == flat(params).keys()
        jax.tree.map(np.testing.assert_array_equal, found.read(), params)
    one, three = (json.loads((tmp_path / name / "bert_config.json").read_text()) for name in "13")
    assert one == three and one["hidden_act"] == "gelu"


def test_what_training_left_in_a_google_checkpoint_is_left_out(tmp_path):
    tensorflow = pytest.importorskip("tensorflow")
    convert(open_pretrained(make.SHIPPED / "bert"), tmp_path / "tf1", "tf1")
    reader = tensorflow.train.load_checkpoint(str(tmp_path / "tf1" / "bert_model.ckpt"))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    values |= {f"{name}/adam_{slot}": x for name, x in values.items() for slot in "mv"} | {
        "global_step": np.int64(7)
    }
    tensorflow.raw_ops.SaveV2(
        prefix=str(tmp_path / "tf1" / "model.ckpt-7"),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    found = open_pretrained(tmp_path / "tf1" / "model.ckpt-7")
    assert set(found.left_out) == {name for name in values if "adam_" in name} | {"global_step"}
    jax.tree.map(
        np.testing.assert_array_equal, found.read(), open_pretrained(make.SHIPPED / "bert").read()
    )


# TensorFlow and PyTorch in a process of their own, as the reader of pytorch-pretrained-bert has
# them.
INDEPENDENT = """
import sys, numpy, torch
from pytorch_pretrained_bert import BertConfig, BertForPreTraining, load_tf_weights_in_bert
folder, examples = sys.argv[1], numpy.load(sys.argv[2])
model = BertForPreTraining(BertConfig.from_json_file(folder + "/bert_config.json"))
load_tf_weights_in_bert(model, folder + "/bert_model.ckpt")
names = ("input_ids", "token_type_ids", "segment_ids")
mlm, nsp = model.eval()(*(torch.tensor(examples[name]).long() for name in names))
numpy.savez(sys.argv[3], mlm=mlm.detach(), nsp=nsp.detach())
"""


def test_an_independent_reader_of_google_checkpoints_computes_our_logits(tmp_path):
    pytest.importorskip("tensorflow")
    pytest.importorskip("pytorch_pretrained_bert")
    source = open_pretrained(make.SHIPPED / "bert")
    convert(source, tmp_path / "tf1", "tf1")
    examples = batch(8)
    np.savez(tmp_path / "in.npz", **examples)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            INDEPENDENT,
            tmp_path / "tf1",
            tmp_path / "in.npz",
            tmp_path / "out.npz",
        ],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    expected = np.load(tmp_path / "out.npz")
    found = ours(source, examples)
    logits = np.take_along_axis(expected["mlm"], examples["masked_positions"][..., None], 1)
    np.testing.assert_allclose(found["mlm"], logits, atol=2e-5)
    np.testing.assert_allclose(found["nsp"][:, 0], expected["nsp"], atol=2e-5)
