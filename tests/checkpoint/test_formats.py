"""Checkpoints of one format as those of another: nothing is lost, and what does not fit is refused
by its name."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bert_jax.checkpoint import digests
from bert_jax.checkpoint.formats import check, convert, open_pretrained
from bert_jax.checkpoint.pretrained import Pretrained, flat
from bert_jax.cli.convert import main as command_line
from bert_jax.config import ModelConfig, TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.model.bert import initial_params
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

GOLDEN = Path(__file__).parents[1] / "golden"
SHIPPED = Path(__file__).parents[2] / "bert_jax" / "verification" / "golden" / "bert"
MODEL = ModelConfig(
    vocab_size=20,
    hidden_size=8,
    num_layers=2,
    num_heads=2,
    intermediate_size=12,
    max_position_embeddings=10,
    num_labels=3,
    activation="gelu_erf",
)
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *"abcdefg", *(f"##{c}" for c in "abcdefgh")))
HEADS = [(), ("mlm",), ("nsp",), ("mlm", "nsp"), ("class",), ("tag",), ("span",), ("choice",)]


def made(heads=(), labels=(), **model):
    """A model with random parameters, none of them at 0 or 1."""
    model = dataclasses.replace(MODEL, **model)
    params = initial_params(model, heads, jax.random.key(0))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    params = structure.unflatten(
        [np.asarray(x + jax.random.normal(k, x.shape)) for k, x in zip(keys, leaves)]
    )
    names = {path: path for path in flat(params)}
    return Pretrained(
        "made",
        Path("made"),
        model,
        heads,
        TokenizerConfig(lowercase=False),
        VOCABULARY,
        labels,
        names,
        lambda: params,
    )


def same(one, other):
    assert flat(one).keys() == flat(other).keys()
    jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.fixture
def directory(tmp_path):
    """A Hugging Face directory to spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "spoilt"))


def edit_tensors(directory, change):
    path = directory / "model.safetensors"
    tensors = load_file(path)
    save_file({name: np.ascontiguousarray(x) for name, x in change(tensors).items()}, path)
    return directory


def edit_config(directory, **keys):
    path = directory / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))
    return directory


@pytest.mark.parametrize("heads", HEADS, ids=lambda heads: "+".join(heads) or "none")
def test_every_head_comes_back_bit_for_bit(tmp_path, heads):
    pooled = not set(heads) & {"mlm", "tag", "span"} or "nsp" in heads
    labels = ("x", "y", "z") if heads in (("class",), ("tag",)) else ()
    first = made(heads, labels, pooler=pooled, num_labels=3 if labels else 0)
    convert(first, tmp_path / "1", "hf")
    convert(open_pretrained(tmp_path / "1"), tmp_path / "2", "orbax")
    convert(open_pretrained(tmp_path / "2"), tmp_path / "3", "hf")
    for path in "123":
        found = open_pretrained(tmp_path / path)
        assert found.heads == heads and found.labels == labels and found.vocabulary == VOCABULARY
        assert not found.tokenizer.lowercase and not found.left_out and not found.notes
        same(found.read(), first.read())
        for key in (
            "hidden_size",
            "num_labels",
            "pooler",
            "activation",
            "vocab_size",
            "layer_norm_epsilon",
        ):
            assert getattr(found.model, key) == getattr(first.model, key), key
    one, three = (load_file(tmp_path / path / "model.safetensors") for path in "13")
    same(one, three)


def test_a_directory_of_transformers_comes_back_bit_for_bit(tmp_path):
    convert(open_pretrained(SHIPPED), tmp_path / "run", "orbax")
    convert(open_pretrained(tmp_path / "run"), tmp_path / "back", "hf")
    same(
        load_file(SHIPPED / "model.safetensors"),
        load_file(tmp_path / "back" / "model.safetensors"),
    )
    before, after = (
        json.loads((path / "config.json").read_text()) for path in (SHIPPED, tmp_path / "back")
    )
    # What the source left open is said: the dropout of a classifier is that of the rest.
    assert before | dict(classifier_dropout=0.1) == after | dict(transformers_version="5.23.0")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_floats_come_back_as_they_were(tmp_path, directory, dtype):
    edit_tensors(
        directory, lambda tensors: {name: x.astype(np.dtype(dtype)) for name, x in tensors.items()}
    )
    convert(open_pretrained(directory), tmp_path / "run", "orbax")
    convert(open_pretrained(tmp_path / "run"), tmp_path / "back", "hf")
    back = load_file(tmp_path / "back" / "model.safetensors")
    assert {x.dtype for x in back.values()} == {np.dtype(dtype)}
    same(
        {name: x.view(np.uint16) for name, x in load_file(directory / "model.safetensors").items()},
        {name: x.view(np.uint16) for name, x in back.items()},
    )
    assert {x.dtype for x in flat(open_pretrained(directory).read()).values()} == {
        np.dtype("float32")
    }
    convert(open_pretrained(tmp_path / "run"), tmp_path / "long", "hf", "float32")
    assert {x.dtype for x in load_file(tmp_path / "long" / "model.safetensors").values()} == {
        np.dtype("float32")
    }


@pytest.mark.parametrize("name", ["zip.bin", "sequence.bin"])
def test_pickles_and_shards_hold_the_same(tmp_path, directory, name):
    expected = open_pretrained(SHIPPED).read()
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    shutil.copy(GOLDEN / name, directory / "pytorch_model.bin")
    same(open_pretrained(directory).read(), expected)
    (directory / "pytorch_model.bin").unlink()
    shards = {}
    for i, (tensor, x) in enumerate(tensors.items()):
        shards.setdefault(f"model-{i % 3}.safetensors", {})[tensor] = x
    for shard, part in shards.items():
        save_file(part, directory / shard)
    (directory / "model.safetensors.index.json").write_text(
        json.dumps(
            {"weight_map": {tensor: shard for shard, part in shards.items() for tensor in part}}
        )
    )
    same(open_pretrained(directory).read(), expected)


def old_names(name):
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"model.{name}",
        lambda name: f"module.encoder.{name}",
        old_names,
    ],
    ids=["wrapped", "wrapped twice", "gamma and beta"],
)
def test_bert_under_other_names(directory, rename):
    expected = open_pretrained(directory).read()
    edit_tensors(directory, lambda tensors: {rename(name): x for name, x in tensors.items()})
    found = open_pretrained(directory)
    same(found.read(), expected)
    stored = load_file(directory / "model.safetensors")
    assert set(found.names.values()) == set(stored)


def test_an_encoder_alone_has_no_prefix_and_may_have_constants(directory):
    def change(tensors):
        encoder = {
            name.removeprefix("bert."): x for name, x in tensors.items() if name.startswith("bert.")
        }
        return encoder | {"embeddings.position_ids": np.arange(24)[None]}

    expected = open_pretrained(directory).read()["bert"]
    found = open_pretrained(edit_tensors(directory, change))
    assert found.heads == () and found.left_out == {
        "embeddings.position_ids": "a constant, no parameter"
    }
    same(found.read()["bert"], expected)


def test_a_sentence_transformers_directory(tmp_path):
    shutil.copytree(SHIPPED, tmp_path / "s" / "0_Transformer")
    (tmp_path / "s" / "modules.json").write_text(
        json.dumps(
            [
                {
                    "idx": 0,
                    "path": "0_Transformer",
                    "type": "sentence_transformers.models.Transformer",
                },
                {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            ]
        )
    )
    same(open_pretrained(tmp_path / "s").read(), open_pretrained(SHIPPED).read())


def test_tied_copies_are_known_and_untied_ones_refused(directory):
    words = "bert.embeddings.word_embeddings.weight"
    decoder = "cls.predictions.decoder.weight"
    expected = open_pretrained(directory).read()
    bias = {
        "cls.predictions.decoder.bias": load_file(directory / "model.safetensors")[
            "cls.predictions.bias"
        ]
    }
    edit_tensors(directory, lambda t: t | bias | {decoder: t[words]})
    found = open_pretrained(directory)
    assert set(found.left_out) == {decoder, "cls.predictions.decoder.bias"}
    same(found.read(), expected)
    # Some files have the decoder's bias alone.
    edit_tensors(
        directory, lambda t: {name: x for name, x in t.items() if name != "cls.predictions.bias"}
    )
    same(open_pretrained(directory).read(), expected)
    edit_tensors(directory, lambda t: t | {decoder: t[words] + 1})
    with pytest.raises(UserError, match="decoder.weight in .* is not tied"):
        open_pretrained(directory)
    same(open_pretrained(directory, leave_out=f"^{decoder}$").read(), expected)


def test_heads_may_be_chosen(directory, tmp_path):
    found = open_pretrained(directory, heads=())
    assert found.heads == () and set(found.read()) == {"bert"}
    stored = load_file(directory / "model.safetensors")
    assert set(found.left_out) == {name for name in stored if name.startswith("cls")}
    convert(open_pretrained(directory), tmp_path / "run", "orbax")
    assert set(open_pretrained(tmp_path / "run", heads=("nsp",)).read()) == {"bert", "nsp"}
    with pytest.raises(UserError, match="has no head 'span'"):
        open_pretrained(directory, heads=("span",))


@pytest.mark.parametrize(
    "spoil, said",
    [
        (
            lambda d: edit_tensors(
                d, lambda t: {n: x for n, x in t.items() if n != "bert.pooler.dense.bias"}
            ),
            r"bert.pooler.dense.bias \[32\] is missing",
        ),
        (
            lambda d: edit_tensors(d, lambda t: t | {"extra.weight": np.zeros((2, 3))}),
            r"extra.weight \[2, 3\] is no part of such a model",
        ),
        (
            lambda d: edit_config(d, hidden_size=36),
            r"word_embeddings.weight is \[120, 32\] instead of \[120, 36\]",
        ),
        (
            lambda d: edit_config(d, num_hidden_layers=3),
            r"layer.2.attention.self.query.bias \[32\] is missing",
        ),
        (
            lambda d: edit_config(d, num_hidden_layers=1),
            r"layer.1.attention.self.query.bias \[32\] is no part",
        ),
        (lambda d: edit_config(d, model_type="roberta"), '"model_type": "roberta"'),
        (lambda d: edit_config(d, is_decoder=True), '"is_decoder": true'),
        (lambda d: edit_config(d, position_embedding_type="relative_key"), "relative_key"),
        (lambda d: edit_config(d, hidden_act="swish"), "hidden_act = 'swish'"),
        (lambda d: edit_config(d, hidden_act=["gelu"]), "hidden_act = \\['gelu'\\]"),
        (
            lambda d: edit_config(d, hidden_size="32"),
            'hidden_size in .*\n.*"32"\n.*a whole number from 1 on',
        ),
        (
            lambda d: edit_config(d, num_attention_heads=0),
            "num_attention_heads in .*is not what it should be",
        ),
        (
            lambda d: edit_config(d, num_attention_heads=5),
            "num_attention_heads in .* does not divide hidden_size",
        ),
        (
            lambda d: edit_config(d, layer_norm_eps="1e-12"),
            "layer_norm_eps in .*\n.*\n.*a number from 0 on",
        ),
        (lambda d: (d / "config.json").write_text("{"), "config.json is not JSON"),
        (lambda d: (d / "config.json").write_text("[]"), "a JSON object"),
        (lambda d: (d / "modules.json").write_text("{}"), "a JSON list"),
        (
            lambda d: (d / "tokenizer_config.json").write_text('{"do_lower_case": "true"}'),
            "do_lower_case = 'true'",
        ),
        (
            lambda d: (d / "tokenizer_config.json").write_text('{"strip_accents": []}'),
            "tokenizer in .* is not what it",
        ),
        (
            lambda d: (d / "tokenizer.json").write_text('{"added_tokens": [1]}'),
            "tokenizer in .* is not what it",
        ),
        (
            lambda d: (
                (d / "model.safetensors")
                .rename(d / "model.safetensors.index.json")
                .write_text("{}")
            ),
            "map: None",
        ),
        (
            lambda d: edit_tensors(
                d, lambda t: t | {"bert.pooler.dense.bias": np.zeros(32, np.int8)}
            ),
            "pooler.dense.bias is of I8 instead of float32",
        ),
        (
            lambda d: (d / "model.safetensors").write_bytes(b"\0" * 100),
            "model.safetensors cannot be read",
        ),
        (
            lambda d: (d / "vocab.txt").write_text(
                "\n".join([*SPECIAL_TOKENS, *map(str, range(200))])
            ),
            "205 tokens",
        ),
        (lambda d: (d / "model.safetensors").unlink(), "is no checkpoint that is known"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(directory, spoil, said):
    spoil(directory)
    with pytest.raises(UserError, match=said):
        open_pretrained(directory)


def test_what_is_null_says_nothing(directory):
    edit_config(
        directory,
        is_decoder=None,
        pruned_heads=None,
        position_embedding_type=None,
        layer_norm_eps=None,
        id2label=None,
        architectures=None,
    )
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": None, "tokenize_chinese_chars": None})
    )
    (directory / "tokenizer.json").write_text(
        json.dumps(
            {
                "added_tokens": None,
                "model": None,
                "normalizer": {"type": "BertNormalizer", "lowercase": False},
            }
        )
    )
    found = open_pretrained(directory)
    assert found.tokenizer.split_cjk and not found.tokenizer.lowercase
    same(found.read(), open_pretrained(SHIPPED).read())


def test_what_was_left_out_on_purpose_is_said(directory):
    edit_tensors(
        directory,
        lambda t: t | {"projection.weight": np.zeros((2, 3)), "projection.bias": np.zeros(2)},
    )
    found = open_pretrained(directory, leave_out="^projection")
    assert set(found.left_out) == {"projection.weight", "projection.bias"}
    with pytest.raises(UserError, match="no regular expression"):
        open_pretrained(directory, leave_out="(")


def test_what_cannot_be_left_out_is_refused(tmp_path, directory):
    convert(open_pretrained(directory), tmp_path / "run", "orbax")
    with pytest.raises(UserError, match="all of its tensors are parameters"):
        open_pretrained(tmp_path / "run", leave_out="pooler")


def test_a_target_is_whole_or_not_there(tmp_path, directory):
    source = open_pretrained(directory)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="is there already"):
        convert(source, tmp_path / "full", "hf")
    with pytest.raises(UserError, match="no class with the heads mlm, span"):
        convert(dataclasses.replace(source, heads=("mlm", "span")), tmp_path / "new", "hf")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "spoilt"]
    with pytest.raises(UserError, match="cannot be written"):
        convert(source, tmp_path / "full" / "file" / "new", "hf")


def test_a_target_may_be_a_link_or_have_an_odd_name(tmp_path, directory, monkeypatch):
    source = open_pretrained(directory)
    (tmp_path / "link").symlink_to("new")
    convert(source, tmp_path / "link", "hf")
    assert (tmp_path / "new" / "config.json").exists()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UserError, match="here is there already"):
        convert(source, Path("."), "hf")


def test_an_export_says_that_the_head_is_tied(directory, tmp_path):
    words, decoder = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"
    edit_config(
        edit_tensors(directory, lambda t: t | {decoder: t[words]}), tie_word_embeddings=False
    )
    convert(open_pretrained(directory), tmp_path / "hf", "hf")
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["tie_word_embeddings"] is True


def test_numbers_that_a_short_float_cannot_hold_are_refused(directory, tmp_path):
    edit_tensors(directory, lambda t: t | {"bert.pooler.dense.bias": np.full(32, 1e6, np.float32)})
    with pytest.raises(UserError, match="bert.pooler.dense.bias does not fit float16"):
        convert(open_pretrained(directory), tmp_path / "hf", "hf", "float16")
    convert(open_pretrained(directory), tmp_path / "hf", "hf", "bfloat16")


@pytest.mark.parametrize(
    "name, content",
    [
        (
            "tokenizer.json",
            {"added_tokens": [{"content": "new", "id": 119}, {"content": "a", "id": 5}]},
        ),
        ("added_tokens.json", {"new": 119}),
    ],
)
def test_tokens_that_were_added_keep_their_ids(directory, tmp_path, name, content):
    vocabulary = Vocabulary.load(directory / "vocab.txt")
    Vocabulary(vocabulary.tokens[:-1]).save(directory / "vocab.txt")
    (directory / name).write_text(json.dumps(content))
    found = open_pretrained(directory)
    assert (
        found.vocabulary.tokens == (*vocabulary.tokens[:-1], "new")
        and "1 tokens were added" in found.notes[0]
    )
    (directory / name).write_text(
        json.dumps(json.loads((directory / name).read_text().replace("119", "150")))
    )
    with pytest.raises(UserError, match="has gaps"):
        open_pretrained(directory)


def test_the_tokenizer_comes_along(directory, tmp_path):
    settings = dict(do_lower_case=False, strip_accents=True, tokenize_chinese_chars=False)
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    expected = TokenizerConfig(
        rules="huggingface",
        lowercase=False,
        accents="strip",
        split_cjk=False,
        max_chars_per_word=100,
    )
    convert(open_pretrained(directory), tmp_path / "run", "orbax")
    convert(open_pretrained(tmp_path / "run"), tmp_path / "hf", "hf")
    (tmp_path / "hf" / "vocab.txt").unlink()  # tokenizer.json has it too
    for path in (directory, tmp_path / "run", tmp_path / "hf"):
        found = open_pretrained(path)
        assert found.tokenizer == expected
        assert found.vocabulary == Vocabulary.load(SHIPPED / "vocab.txt")
    (directory / "vocab.txt").unlink()
    assert open_pretrained(directory).vocabulary is None
    assert open_pretrained(directory, vocab_file=SHIPPED / "vocab.txt").vocabulary is not None


@pytest.mark.parametrize(
    "tokens, lowercase", [("abc", True), ("abC", False), ("éa", True), ("Éa", False)]
)
def test_case_is_inferred_where_it_is_not_said(directory, tokens, lowercase):
    (directory / "tokenizer_config.json").unlink()
    Vocabulary((*SPECIAL_TOKENS, "[unused1]", *tokens)).save(directory / "vocab.txt")
    found = open_pretrained(directory)
    assert found.tokenizer.lowercase == lowercase and "by its vocabulary" in found.notes[0]


def test_a_classifier_of_which_nobody_says_what_it_classifies(directory):
    def change(tensors):
        return {n: x for n, x in tensors.items() if n.startswith("bert.")} | {
            "classifier.weight": np.ones((5, 32), ml_dtypes.bfloat16),
            "classifier.bias": np.ones(5),
        }

    edit_config(edit_tensors(directory, change), architectures=None, id2label={"0": "a", "1": "b"})
    found = open_pretrained(directory)
    assert found.heads == ("class",) and found.model.num_labels == 5 and found.labels == ()
    assert "taken for the head 'class'" in found.notes[0]
    edit_tensors(directory, lambda t: {n: x for n, x in t.items() if "pooler" not in n})
    assert open_pretrained(directory).heads == ("tag",)
    edit_config(directory, architectures=["BertForMultipleChoice"])
    with pytest.raises(UserError, match=r"classifier.weight is \[5, 32\] instead of \[1, 32\]"):
        open_pretrained(directory)


def test_the_summary_shows_names_as_they_are(directory, tmp_path, capsys, monkeypatch):
    def change(tensors):
        return {n: x for n, x in tensors.items() if n.startswith("bert.")} | {
            "classifier.weight": np.ones((99, 32)),
            "classifier.bias": np.ones(99),
        }

    monkeypatch.setenv("COLUMNS", "80")
    labels = {str(i): f"label{i}" for i in range(99)} | {"0": "[/x]"}
    edit_config(
        edit_tensors(directory, change),
        architectures=["BertForSequenceClassification"],
        id2label=labels,
    )
    (tmp_path / "[").mkdir()  # a path '[/...]', as rich closes what it has marked
    odd = directory.rename(tmp_path / "[" / f"{'long' * 20}]")
    command_line([str(odd), str(tmp_path / "[new]"), "--to=orbax"])
    said = capsys.readouterr().out
    said = " ".join(said.split())
    assert "[/x], label1" in said and "and 91 more" in said and "label90" not in said
    assert (
        "[/longlong" in said.replace(" ", "")
        and "…" not in said
        and "[new]: written as orbax" in said
    )


def test_other_vocabulary_beside_a_run_is_refused(tmp_path):
    convert(open_pretrained(SHIPPED), tmp_path / "run", "orbax")
    Vocabulary((*SPECIAL_TOKENS, "a")).save(tmp_path / "run" / "vocab.txt")
    with pytest.raises(UserError, match="is not the vocabulary of checkpoint 0"):
        open_pretrained(tmp_path / "run")


def test_damaged_and_newer_checkpoints_of_ours_are_refused(tmp_path):
    for name in ("flipped", "newer", "unknown"):
        convert(open_pretrained(SHIPPED), tmp_path / name, "orbax")
    (about,) = (tmp_path / "flipped").rglob("about/metadata")
    about.write_text(about.read_text()[:-5])
    for path in (tmp_path / "flipped", tmp_path / "flipped" / "checkpoints" / "0"):
        with pytest.raises(UserError, match="damaged"):
            open_pretrained(path)
    for name, change, message in (
        ("newer", lambda about: about | dict(canonical_version=99), "is of another version"),
        (
            "unknown",
            lambda about: about | dict(model=about["model"] | dict(new_key=1)),
            "(?s)was written by a newer version.*model.new_key",
        ),
    ):
        step = tmp_path / name / "checkpoints" / "0"
        path = step / "about" / "metadata"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        digests.write(step, ("params", "about"))
        with pytest.raises(UserError, match=message):
            open_pretrained(tmp_path / name)


def test_a_dry_run_says_what_a_conversion_would(directory, tmp_path):
    source = open_pretrained(directory)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="is there already"):
        check(source, tmp_path / "full", "hf")
    with pytest.raises(UserError, match="no class with the heads"):
        check(dataclasses.replace(source, heads=("mlm", "tag")), tmp_path / "new", "hf")
    with pytest.raises(UserError, match="Google's code has no head 'tag'"):
        check(dataclasses.replace(source, heads=("tag",)), tmp_path / "new", "tf1")
    check(source, tmp_path / "new", "orbax")
