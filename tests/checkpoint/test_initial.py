"""Runs that start from a checkpoint: what they take over, what they refuse, and which row is which token's."""

import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.checkpoint.initial import adopt
from bert_jax.checkpoint.pretrained import flat
from bert_jax.errors import UserError
from bert_jax.parallel.mesh import make_mesh
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training import state
from bert_jax.training.loop import train

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = ("hidden_size", "num_layers", "num_heads", "intermediate_size", "max_position_embeddings", "vocab_size")


@pytest.fixture
def starting(run_recipe):
    """A recipe that starts from the golden model and leaves architecture and vocabulary to it."""
    default = configs.recipe()
    for name in NAMES:
        run_recipe.model[name] = default.model[name]
    run_recipe.instances.length = 24
    run_recipe.store.dir = run_recipe.tokenizer.vocab_file = ""
    run_recipe.train.steps = 4
    run_recipe.init_from = str(GOLDEN / "bert")
    return run_recipe


def starts(recipe, vocabulary):
    """The canonical parameters with which a run begins, and those that are random."""
    config = configs.with_vocabulary(adopt(configs.resolve(recipe)), len(vocabulary))
    with jax.set_mesh(mesh := make_mesh(config.mesh)):
        params, new = state.params_from(open_pretrained(Path(recipe.init_from)), config, vocabulary, mesh)
        canonical = state.layout.to_canonical(params, config.model, config.compute)
    return flat(jax.device_get(canonical)), new


def changed(directory, target, change):
    """A copy of the vocabulary with other tokens."""
    vocabulary = Vocabulary(change(Vocabulary.load(directory / "vocab.txt").tokens))
    vocabulary.save(target)
    return vocabulary


@pytest.mark.parametrize("to", ["hf", "orbax"])
def test_a_run_starts_from_a_checkpoint_and_resumes_without_it(starting, tmp_path, to):
    convert(open_pretrained(GOLDEN / "bert"), tmp_path / "source", to)
    starting.init_from = str(tmp_path / "source")
    starting.train.stop_after = 2
    assert train(configs.resolve(starting), tmp_path / "run", Console(quiet=True)) is None
    shutil.rmtree(tmp_path / "source")
    starting.train.stop_after = 0
    assert train(configs.resolve(starting), tmp_path / "run", Console(quiet=True))["step"] == 4
    found, golden = open_pretrained(tmp_path / "run"), open_pretrained(GOLDEN / "bert")
    assert found.vocabulary == golden.vocabulary and found.tokenizer.rules == "huggingface"
    for name in NAMES:
        assert getattr(found.model, name) == getattr(golden.model, name)


@pytest.mark.parametrize("compute", [{}, dict(scan_layers=True, fused_qkv=True, vocab_multiple=16)], ids=str)
def test_parameters_are_those_of_the_checkpoint_in_every_layout(starting, compute):
    starting.compute.update(compute)
    starting.mesh.data, starting.mesh.fsdp, starting.mesh.tensor = -1, 2, 2
    source = open_pretrained(GOLDEN / "bert")
    params, new = starts(starting, source.vocabulary)
    assert new == []
    for path, x in flat(source.read()).items():
        np.testing.assert_array_equal(params[path], x, err_msg=path)


def test_heads_that_are_not_there_are_random(starting, tmp_path):
    convert(open_pretrained(GOLDEN / "bert", heads=("nsp",)), tmp_path / "source", "orbax")
    starting.init_from = str(tmp_path / "source")
    _, new = starts(starting, open_pretrained(GOLDEN / "bert").vocabulary)
    assert {path.partition("/")[0] for path in new} == {"mlm"}


def test_rows_follow_their_tokens(starting, tmp_path):
    vocabulary = changed(GOLDEN / "bert", tmp_path / "vocab.txt", lambda tokens: (*tokens[:0:-2], tokens[0], "new",
                                                                                  *tokens[2::2]))
    starting.tokenizer.vocab_file = str(tmp_path / "vocab.txt")
    starting.init_vocabulary = "by_token"
    source = open_pretrained(GOLDEN / "bert")
    theirs, (ours, _) = flat(source.read()), starts(starting, vocabulary)
    for path in ("bert/embeddings/word_embeddings/embedding", "mlm/bias"):
        assert len(ours[path]) == len(vocabulary)
        for row, token in enumerate(vocabulary.tokens):
            if token != "new":
                np.testing.assert_array_equal(ours[path][row], theirs[path][source.vocabulary.ids[token]])
    new = ours["bert/embeddings/word_embeddings/embedding"][vocabulary.ids["new"]]
    assert 0 < np.abs(new).max() < 0.1  # the golden model's own deviate by 0.1


def test_another_vocabulary_is_refused_before_anything_is_kept(starting, tmp_path):
    changed(GOLDEN / "bert", tmp_path / "vocab.txt", lambda tokens: (*tokens[:-1], "new"))
    starting.tokenizer.vocab_file = str(tmp_path / "vocab.txt")
    with pytest.raises(UserError, match="vocabulary is not that of") as error:
        train(configs.resolve(starting), tmp_path / "run", Console(quiet=True))
    assert "120 tokens, 119 of them in both" in str(error.value)
    assert not (tmp_path / "run" / "vocab.txt").exists() and not (tmp_path / "run" / "store").exists()
    # So that what the error says to try works in the same workdir.
    starting.tokenizer.vocab_file = ""
    assert train(configs.resolve(starting), tmp_path / "run", Console(quiet=True))["step"] == 4


def test_another_vocabulary_by_id_keeps_the_rows(starting, tmp_path):
    vocabulary = changed(GOLDEN / "bert", tmp_path / "vocab.txt", lambda tokens: (*tokens[:-9], "new"))
    starting.tokenizer.vocab_file = str(tmp_path / "vocab.txt")
    starting.init_vocabulary = "by_id"
    path = "bert/embeddings/word_embeddings/embedding"
    ours, _ = starts(starting, vocabulary)
    np.testing.assert_array_equal(ours[path], flat(open_pretrained(GOLDEN / "bert").read())[path])
    changed(GOLDEN / "bert", tmp_path / "vocab.txt", lambda tokens: (*tokens, "new"))
    with pytest.raises(UserError, match="needs a row for each token"):
        train(configs.resolve(starting), tmp_path / "run", Console(quiet=True))


@pytest.mark.parametrize("key, value", [("lowercase", False), ("accents", "strip"), ("split_cjk", False)])
def test_a_tokenizer_that_splits_otherwise_is_refused(starting, tmp_path, key, value):
    starting.tokenizer.vocab_file = str(GOLDEN / "bert" / "vocab.txt")
    starting.tokenizer[key] = value
    with pytest.raises(UserError, match=f"tokenizer.{key} is not that of"):
        train(configs.resolve(starting), tmp_path / "run", Console(quiet=True))


def test_another_architecture_is_refused(starting):
    starting.model.num_layers = 3
    with pytest.raises(UserError, match="config.model.num_layers=2"):
        adopt(configs.resolve(starting))


def test_the_mesh_has_to_divide_the_heads_of_the_checkpoint(starting, tmp_path):
    starting.mesh.data, starting.mesh.tensor = -1, 8  # of four heads; the recipe's own default is 12
    with pytest.raises(UserError, match="4 heads over tensor=8"):
        train(configs.resolve(starting), tmp_path / "run", Console(quiet=True))
