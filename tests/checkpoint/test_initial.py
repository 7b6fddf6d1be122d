"""Runs that start from a checkpoint: what they take over from it, and what they refuse."""

import dataclasses
import io
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint import initial, layout
from bert_jax.checkpoint.checkpoints import Checkpoints
from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.checkpoint.pretrained import flat
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.errors import UserError
from bert_jax.parallel.mesh import make_mesh
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.training import state
from bert_jax.training.loop import train
from bert_jax.training.plan import make_plan, without_data

GOLDEN = Path(__file__).parents[2] / "bert_jax" / "verification" / "golden" / "bert"
WORDS, BIAS = "bert/embeddings/word_embeddings/embedding", "mlm/bias"


@pytest.fixture(scope="module")
def store_dir(tmp_path_factory):
    """The token stores of all runs here that have the golden model's vocabulary."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def start(run_recipe, store_dir):
    """A recipe that starts from the golden model, and whose first step changes nothing."""
    run_recipe.model, run_recipe.tokenizer = configs.recipe().model, configs.recipe().tokenizer
    run_recipe.init_from = str(GOLDEN)
    run_recipe.instances.length = 24
    run_recipe.store.dir = str(store_dir)
    run_recipe.optimizer.learning_rate = 0.0
    run_recipe.train.stop_after = 1
    return run_recipe


def go(recipe, workdir):
    """What the run of a recipe left, stopped after its first step, and what it told."""
    console = Console(file=io.StringIO(), width=1000)
    assert train(configs.resolve(recipe), workdir, console) is None
    return open_pretrained(workdir), console.file.getvalue()


def same(one, other):
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys()
    for path, x in one.items():
        np.testing.assert_array_equal(x, other[path], err_msg=path)


def state_of(recipe, vocabulary):
    """A recipe resolved as `train` does it, the state that its run starts from, and what it should
    be like."""
    config, _ = initial.adopt(configs.resolve(recipe))
    plan = make_plan(config, 1, vocab_size=len(vocabulary))
    with jax.set_mesh(mesh := make_mesh(config.mesh)):
        began, new = state.state_from(open_pretrained(GOLDEN), plan, vocabulary, mesh)
        assert not new
        return plan, began, state.state_shapes(plan, mesh)


def random_params(model):
    """The parameters with which a run begins that starts from nothing."""
    config = dataclasses.replace(configs.Config(), model=model)
    return flat(jax.device_get(jax.jit(lambda: state.initial_params(without_data(config)))()))


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """`begun(recipe)`: what `go` gives for a run from a source that is gone then; made once, it
    takes seconds."""
    made = []

    def make(recipe):
        if not made:
            source = tmp_path_factory.mktemp("begun") / "source"
            shutil.copytree(GOLDEN, source)
            recipe.init_from = str(source)
            made.extend([recipe.init_from, *go(recipe, source.with_name("run"))])
            shutil.rmtree(source)
        recipe.init_from = made[0]
        return made[1:]

    return make


def test_a_hugging_face_directory_gives_its_parameters(start, begun):
    found, told = begun(start)
    assert (
        f"starts from {start.init_from}; all parameters are there" in told
        and found.path.name == "1"
    )
    same(found.read(), open_pretrained(GOLDEN).read())


def test_architecture_and_tokenizer_are_the_checkpoints(start, begun):
    found, _ = begun(start)
    source = open_pretrained(GOLDEN)
    recipes_own = {name: getattr(configs.ModelConfig(), name) for name in configs.ONLY_IN_TRAINING}
    assert found.model == dataclasses.replace(source.model, **recipes_own)
    assert (
        source.model.activation == "gelu_erf"
        and source.model.initializer != found.model.initializer
    )
    assert found.tokenizer == source.tokenizer and source.tokenizer.rules == "huggingface"
    assert (found.path.parents[1] / "vocab.txt").read_bytes() == (GOLDEN / "vocab.txt").read_bytes()


def test_a_run_is_resumed_without_its_source_but_not_with_another(start, begun, tmp_path):
    found, _ = begun(start)
    assert not Path(start.init_from).exists()
    shutil.copytree(found.path.parents[1], tmp_path / "run")
    source, start.train.stop_after = start.init_from, 2
    for other in (str(GOLDEN), ""):
        start.init_from = other
        with pytest.raises(UserError, match="begun with another config") as error:
            go(start, tmp_path / "run")
        assert f"config.init_from={other!r}" in str(error.value)
    start.init_from = source
    found, told = go(start, tmp_path / "run")
    assert "goes on from step 1" in told and "starts from" not in told and found.path.name == "2"
    same(found.read(), open_pretrained(GOLDEN).read())


@pytest.mark.parametrize("source", ["converted", "run"])
def test_our_own_checkpoints_give_their_parameters(start, begun, tmp_path, source):
    start.init_from = (
        str(tmp_path / "converted")
        if source == "converted"
        else str(begun(start)[0].path.parents[1])
    )
    if source == "converted":
        convert(open_pretrained(GOLDEN), tmp_path / "converted", "orbax")
    found, told = go(start, tmp_path / "new")
    assert (
        f"starts from {open_pretrained(Path(start.init_from)).path}; all parameters are there"
        in told
    )
    assert found.path.name == "1"
    same(found.read(), open_pretrained(GOLDEN).read())


@pytest.mark.parametrize(
    "compute, mesh",
    [
        (dict(scan_layers=True, fused_qkv=True, vocab_multiple=128), dict()),
        (dict(), dict(data=2, fsdp=2, tensor=2)),
        (
            dict(scan_layers=True, fused_qkv=True, vocab_multiple=128),
            dict(data=2, fsdp=2, tensor=2),
        ),
    ],
    ids=["layout", "mesh", "both"],
)
def test_layouts_and_meshes_start_from_the_same(start, compute, mesh):
    start.compute.update(compute)
    start.mesh.update(mesh)
    config, began, expected = state_of(start, Vocabulary.load(GOLDEN / "vocab.txt"))
    for ours, theirs in ((began.params, expected.params), (began.opt_state, expected.opt_state)):
        assert all(
            jax.tree.leaves(
                jax.tree.map(
                    lambda x, y: (
                        x.shape == y.shape and x.sharding.is_equivalent_to(y.sharding, x.ndim)
                    ),
                    ours,
                    theirs,
                )
            )
        )
    same(
        layout.to_canonical(jax.device_get(began.params), config.model, config.compute),
        open_pretrained(GOLDEN).read(),
    )


def test_a_head_that_is_not_there_is_random_and_told_of(start, tmp_path):
    convert(open_pretrained(GOLDEN, heads=("nsp",)), tmp_path / "source", "orbax")
    start.init_from = str(tmp_path / "source")
    found, told = go(start, tmp_path / "run")
    assert (
        f"not there, and so random: "
        f"{', '.join(sorted(p for p in found.names if p.startswith('mlm/')))}" in told
    )
    began, source, random = (
        flat(found.read()),
        flat(open_pretrained(GOLDEN).read()),
        random_params(found.model),
    )
    for path, x in began.items():
        np.testing.assert_array_equal(
            x, (random if path.startswith("mlm/") else source)[path], err_msg=path
        )
    assert began["mlm/transform/kernel"].std() > 0


def test_the_heads_that_a_mesh_shares_out_are_the_checkpoints(start, tmp_path):
    start.mesh.tensor = 8
    with pytest.raises(UserError, match="num_heads does not divide over the mesh") as error:
        go(start, tmp_path / "run")
    assert "4 heads over tensor=8" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_a_recipe_keeps_its_own_dropout_and_initialisation(start):
    own = dict(
        hidden_dropout=0.2,
        attention_dropout=0.0,
        classifier_dropout=0.3,
        initializer="normal",
        initializer_range=0.1,
    )
    start.model.update(own)
    model = initial.adopt(configs.resolve(start))[0].model
    assert {name: getattr(model, name) for name in own} == own and model.hidden_size == 32


@pytest.mark.parametrize(
    "section, key, value, theirs",
    [
        ("model", "num_layers", 3, 2),
        ("model", "activation", "relu", "gelu_erf"),
        ("model", "max_position_embeddings", 128, 24),
        ("tokenizer", "lowercase", False, True),
        ("tokenizer", "max_chars_per_word", 50, 100),
    ],
)
def test_a_recipe_that_asks_for_another_is_refused(start, tmp_path, section, key, value, theirs):
    start[section][key] = value
    with pytest.raises(UserError, match=f"config.{section} is not that of {GOLDEN}") as error:
        go(start, tmp_path / "run")
    assert f"config.{section}.{key}={value!r}" in str(error.value)
    assert f"config.{section}.{key}={theirs!r}" in str(error.value)
    assert not (tmp_path / "run").exists()


def test_another_vocabulary_is_refused_before_anything_is_made_of_it(start, tmp_path):
    tokens = Vocabulary.load(GOLDEN / "vocab.txt").tokens
    Vocabulary((*tokens[:-1], "zebrafish")).save(tmp_path / "other.txt")
    start.tokenizer.vocab_file = str(tmp_path / "other.txt")
    start.store.dir = ""
    with pytest.raises(UserError, match="the vocabulary is not that of") as error:
        go(start, tmp_path / "run")
    assert "120 tokens, 119 of them in both" in str(error.value)
    assert "--config.init_vocabulary=by_token or by_id" in str(error.value)
    assert not {"vocab.txt", "store"} & {path.name for path in (tmp_path / "run").iterdir()}


def test_the_same_vocabulary_with_another_case_is_refused(start, tmp_path):
    start.tokenizer.update(vocab_file=str(GOLDEN / "vocab.txt"), lowercase=False)
    with pytest.raises(UserError, match="config.tokenizer.lowercase is not that of"):
        go(start, tmp_path / "run")


def test_by_token_known_tokens_keep_their_rows_and_new_ones_are_random(start, corpus_dir):
    theirs, ours = (
        Vocabulary.load(GOLDEN / "vocab.txt"),
        Vocabulary.load(corpus_dir.parent / "vocab.txt"),
    )
    start.init_vocabulary, start.tokenizer.vocab_file = (
        "by_token",
        str(corpus_dir.parent / "vocab.txt"),
    )
    config, began, _ = state_of(start, ours)
    began, source = flat(jax.device_get(began.params)), flat(open_pretrained(GOLDEN).read())
    random = random_params(config.model)
    known = [token for token in ours.tokens if token in theirs.ids]
    new = [ours.ids[token] for token in ours.tokens if token not in theirs.ids]
    assert (
        len(known) > 50
        and len(new) > 400
        and config.model.vocab_size == len(ours) != source[BIAS].size
    )
    for path in (WORDS, BIAS):
        np.testing.assert_array_equal(
            began[path][[ours.ids[token] for token in known]],
            source[path][[theirs.ids[token] for token in known]],
        )
        np.testing.assert_array_equal(began[path][new], random[path][new])
    assert began[WORDS][new].std(0).min() > 0
    for path in began.keys() - {WORDS, BIAS}:
        np.testing.assert_array_equal(began[path], source[path], err_msg=path)


def test_by_id_rows_stay_where_they_were(start, tmp_path):
    tokens = Vocabulary.load(GOLDEN / "vocab.txt").tokens
    other = Vocabulary((*tokens[:5], *reversed(tokens[5:-10])))
    other.save(tmp_path / "other.txt")
    start.tokenizer.vocab_file, start.init_vocabulary = str(tmp_path / "other.txt"), "by_id"
    config, began, _ = state_of(start, other)
    initial.check_vocabulary(open_pretrained(GOLDEN), config.recipe, other)
    assert len(other) == 110 and config.model.vocab_size == 120
    same(jax.device_get(began.params), open_pretrained(GOLDEN).read())


def test_by_id_every_token_needs_a_row(start, tmp_path, corpus_dir):
    start.tokenizer.vocab_file, start.init_vocabulary = (
        str(corpus_dir.parent / "vocab.txt"),
        "by_id",
    )
    with pytest.raises(UserError, match="needs a row for each token") as error:
        go(start, tmp_path / "run")
    assert "600 tokens, 120 rows" in str(error.value)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("how", ["same", "by_token"])
def test_a_checkpoint_without_a_vocabulary_is_refused_with_a_hint(start, tmp_path, how, named):
    shutil.copytree(GOLDEN, tmp_path / "source")
    (tmp_path / "source" / "vocab.txt").unlink()
    start.init_from, start.init_vocabulary = str(tmp_path / "source"), how
    start.tokenizer.vocab_file = str(GOLDEN / "vocab.txt") * named
    with pytest.raises(UserError, match=f"{tmp_path / 'source'} has no vocabulary") as error:
        go(start, tmp_path / "run")
    assert "--config.init_vocabulary=by_id" in str(error.value)


def test_a_checkpoint_without_a_vocabulary_starts_by_id(start, tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "source")
    (tmp_path / "source" / "vocab.txt").unlink()
    start.init_from, start.init_vocabulary = str(tmp_path / "source"), "by_id"
    start.tokenizer.update(
        vocab_file=str(GOLDEN / "vocab.txt"), rules="huggingface", max_chars_per_word=100
    )
    found, _ = go(start, tmp_path / "run")
    same(found.read(), open_pretrained(GOLDEN).read())


@pytest.mark.full
def test_moments_of_the_source_are_not_taken_over(start, tmp_path):
    """After one step from zero the second moment is 10 times the square of the first, whatever the
    gradient; after two it is not. So a step that begins with the source's moments shows."""
    start.optimizer.update(dict(learning_rate=1e-3, warmup_steps=0, name="bert_adam"))
    start.train.stop_after = 2
    go(start, tmp_path / "source")
    start.init_from, start.train.stop_after = str(tmp_path / "source"), 1
    go(start, tmp_path / "run")

    vocabulary = Vocabulary.load(GOLDEN / "vocab.txt")
    plan, _, _ = state_of(start, vocabulary)

    def apart(workdir):
        checkpoints = Checkpoints(workdir / CHECKPOINTS, read_only=True)
        with jax.set_mesh(mesh := make_mesh(plan.recipe.mesh)):
            last = state.restore(checkpoints, checkpoints.latest_good(), plan, vocabulary, mesh)
        moments = jax.device_get(last.opt_state[0])
        first, second = (
            np.concatenate([x.ravel() for x in jax.tree.leaves(tree)], dtype=np.float64)
            for tree in (moments.mu, moments.nu)
        )
        assert np.linalg.norm(first) > 0
        return np.linalg.norm(first**2 - 10 * second) / np.linalg.norm(10 * second)

    assert apart(tmp_path / "source") > 0.1
    assert apart(tmp_path / "run") < 1e-4
