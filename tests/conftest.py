"""Every test sees eight virtual CPU devices; what needs one takes one."""

import json
import os
import tempfile
from pathlib import Path

WORKER = "PYTEST_XDIST_WORKER" in os.environ

if not WORKER:  # Workers of pytest-xdist inherit what the process that starts them sets.
    os.environ["JAX_PLATFORMS"] = "cpu"
    # Little is computed here and much compiled: fast compilation counts, and what is compiled twice
    # is taken from a cache, which the workers share. (Its entries have checksums: a worker that
    # reads one while another writes it compiles for itself.)
    os.environ["XLA_FLAGS"] = (
        os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
        " --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    )
    _cache = tempfile.TemporaryDirectory(prefix="bert-jax-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
else:  # Each worker has its share of the cores; threads of more would wait for each other.
    _threads = max(1, os.cpu_count() // int(os.environ["PYTEST_XDIST_WORKER_COUNT"]))
    os.environ["OMP_NUM_THREADS"] = os.environ["RAYON_NUM_THREADS"] = str(_threads)
    if _threads == 1:
        os.environ["XLA_FLAGS"] += " --xla_cpu_multi_thread_eigen=false"

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from bert_jax import config as configs  # noqa: E402


@pytest.fixture
def recipe():
    """A recipe of a very small model, to change."""
    small = configs.recipe()
    small.model.vocab_size = 101
    small.model.hidden_size = 32
    small.model.num_layers = 2
    small.model.num_heads = 2
    small.model.intermediate_size = 64
    small.model.max_position_embeddings = 16
    small.instances.length = 16
    small.masking.max_predictions = 4
    small.train.batch_size = 8
    small.train.steps = 20
    small.optimizer.warmup_steps = 4
    small.optimizer.learning_rate = 1e-3
    small.mesh.data = 1
    return small


@pytest.fixture
def make_batch():
    """`make_batch(config, seed)`: random rows of one example each, ragged, with ragged
    predictions."""
    return random_batch


def random_batch(config, seed=0, rows=None):
    rng = np.random.default_rng(seed)
    rows, length = rows or config.train.batch_size, config.instances.length
    predictions, vocab = config.masking.max_predictions, config.model.vocab_size
    tokens = rng.integers(length // 2, length + 1, (rows, 1))
    at = np.arange(length)
    present = (at < tokens).astype(np.int32)
    return dict(
        input_ids=rng.integers(5, vocab, (rows, length)).astype(np.int32) * present,
        token_type_ids=((at > length // 3) * present).astype(np.int32),
        position_ids=(at * present).astype(np.int32),
        segment_ids=present,
        example_positions=np.zeros((rows, 1), np.int32),
        example_weights=np.ones((rows, 1), np.float32),
        masked_positions=np.sort(rng.integers(1, length // 2, (rows, predictions))).astype(
            np.int32
        ),
        masked_ids=rng.integers(5, vocab, (rows, predictions)).astype(np.int32),
        masked_weights=(
            np.arange(predictions) < rng.integers(1, predictions + 1, (rows, 1))
        ).astype(np.float32),
        next_sentence_labels=rng.integers(0, 2, (rows, 1)).astype(np.int32),
    )


@pytest.fixture(scope="session")
def corpus_dir(tmp_path_factory):
    """A TFDS data directory with the corpus `topics`: the pages of `pydoc`'s topics, real English
    in 80 documents."""
    from pydoc_data.topics import topics

    from bert_jax.importers import local_text

    root = tmp_path_factory.mktemp("corpus")
    for name, text in topics.items():
        (root / f"{name}.txt").write_text(text)
    local_text.prepare([root], "documents", "topics", str(root / "tfds"), held_out=0.2)
    return root / "tfds"


@pytest.fixture
def run_recipe(recipe, corpus_dir, tmp_path_factory):
    """A recipe that trains on `topics`; all runs of a session share one token store and its
    vocabulary."""
    recipe.corpus.name = "topics"
    recipe.corpus.data_dir = str(corpus_dir)
    recipe.tokenizer.vocab_size = 600
    recipe.model.vocab_size = 0
    recipe.model.max_position_embeddings = recipe.instances.length = 32
    recipe.train.steps = 6
    recipe.optimizer.warmup_steps = 2
    recipe.log.every = 2
    recipe.log.sinks = ()
    recipe.evaluate.every = 4
    recipe.evaluate.max_examples = 20
    recipe.checkpoint.every = 2
    recipe.store.workers = 1
    shared = corpus_dir.parent / "store"
    recipe.store.dir = str(shared)
    vocabulary = corpus_dir.parent / "vocab.txt"
    if not vocabulary.exists():
        from bert_jax.training.vocabularies import prepare_vocabulary

        prepare_vocabulary(configs.resolve(recipe), corpus_dir.parent)
    recipe.tokenizer.vocab_file = str(vocabulary)
    return recipe


@pytest.fixture
def final_state():
    """`final_state(recipe, workdir)`: the state in the latest checkpoint, on one device, as numpy
    arrays."""
    import jax

    from bert_jax.checkpoint.checkpoints import Checkpoints
    from bert_jax.checkpoint.runs import CHECKPOINTS
    from bert_jax.parallel.mesh import make_mesh
    from bert_jax.text.vocabulary import Vocabulary
    from bert_jax.training import state
    from bert_jax.training.plan import make_plan

    def read(recipe, workdir):
        recipe = recipe.copy_and_resolve_references()
        recipe.mesh.data = 1
        vocabulary = len((workdir / "vocab.txt").read_text().splitlines())
        plan = make_plan(configs.resolve(recipe), 1, vocab_size=vocabulary)
        checkpoints = Checkpoints(workdir / CHECKPOINTS, read_only=True)
        with jax.set_mesh(mesh := make_mesh(plan.recipe.mesh)):
            return jax.device_get(
                state.restore(
                    checkpoints,
                    checkpoints.latest_good(),
                    plan,
                    Vocabulary.load(workdir / "vocab.txt"),
                    mesh,
                )
            )

    return read


@pytest.fixture(scope="session")
def tasks_dir(tmp_path_factory):
    """A TFDS data directory with the data sets of `tests.made_tasks`, named by their kinds."""
    from bert_jax.importers import choice, local_task, squad
    from tests.made_tasks import choice_rows, rows, squad_file

    root, counts = tmp_path_factory.mktemp("tasks"), (("train", 200), ("validation", 60))
    for kind in ("span", "span2"):
        files = {split: root / f"{kind}-{split}.json" for split, _ in counts}
        for number, (split, count) in enumerate(counts):
            files[split].write_text(json.dumps(squad_file(kind, count, number)))
        squad.prepare(files, kind, str(root / "data"))
    files = {split: root / f"choice-{split}.jsonl" for split, _ in counts}
    for number, (split, count) in enumerate(counts):
        files[split].write_text(
            "".join(json.dumps(row) + "\n" for row in choice_rows(count, number))
        )
    choice.prepare(files, choice.infer(files["train"]), "choice", str(root / "data"))
    for kind in ("classification", "regression", "multilabel", "tagging"):
        files = {}
        for number, (split, count) in enumerate(counts):
            files[split] = root / f"{kind}-{split}.jsonl"
            files[split].write_text(
                "".join(json.dumps(row) + "\n" for row in rows(kind, count, number))
            )
        local_task.prepare(
            files, local_task.infer(files["train"], kind=kind), kind, str(root / "data")
        )
    return root / "data"


def recipe_of_tasks(tasks_dir):
    """A recipe that learns 'classification' from a small model at random, well within 156 steps."""
    recipe = configs.recipe()
    recipe.task.name, recipe.task.data_dir = "classification", str(tasks_dir)
    recipe.task.length = 24
    golden = Path(__file__).parents[1] / "bert_jax" / "verification" / "golden"
    recipe.init_from = str(golden / "bert")
    recipe.train.epochs, recipe.train.batch_size = 12.0, 16
    recipe.optimizer.learning_rate, recipe.optimizer.warmup_share, recipe.optimizer.name = (
        5e-3,
        0.1,
        "adamw",
    )
    recipe.model.update(dict(hidden_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0))
    recipe.evaluate.every, recipe.checkpoint.every, recipe.log.every = 78, 0, 13
    recipe.log.sinks = ()
    recipe.mesh.data = 1
    return recipe


def shortened(task_recipe):
    """Two epochs, with dropout, that learn little."""
    task_recipe.train.epochs, task_recipe.evaluate.every = 2.0, -1
    task_recipe.model.update(
        dict(hidden_dropout=0.1, attention_dropout=0.1, classifier_dropout=0.1)
    )
    return task_recipe


@pytest.fixture
def task_recipe(tasks_dir):
    return recipe_of_tasks(tasks_dir)


@pytest.fixture
def short_recipe(tasks_dir):
    return shortened(recipe_of_tasks(tasks_dir))
