"""Runs from beginning to end, stopped and resumed, on real text."""

import builtins
import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.runs import CHECKPOINTS
from bert_jax.errors import UserError
from bert_jax.importers import local_text
from bert_jax.inference.held_out_scores import evaluate
from bert_jax.model import flops
from bert_jax.parallel.mesh import make_mesh
from bert_jax.runs import files, reference
from bert_jax.runs.sinks import jsonl
from bert_jax.training import loop
from bert_jax.training.budget import steps_of_budget
from bert_jax.training.corpus_workload import CorpusData, batch_shapes
from bert_jax.training.loop import train
from bert_jax.training.phases import phases_of
from bert_jax.training.plan import with_vocabulary


def quiet():
    return Console(quiet=True)


def go(recipe, workdir, **keys):
    recipe = recipe.copy_and_resolve_references()
    for name, value in keys.items():
        section, _, key = name.partition("__")
        recipe[section][key] = value
    return train(configs.resolve(recipe), workdir, quiet())


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    """A workdir trained without a stop; made once, since compiling takes seconds."""
    made = {}

    def make(recipe):
        if "workdir" not in made:
            made["workdir"] = tmp_path_factory.mktemp("runs") / "whole"
            made["results"] = go(recipe, made["workdir"])
        return made["workdir"], made["results"]

    return make


def test_a_run_leaves_what_it_says(run_recipe, whole):
    workdir, results = whole(run_recipe)
    assert json.loads((workdir / files.RESULTS).read_text()) == results
    assert {
        "mlm_loss",
        "mlm_accuracy",
        "mlm_perplexity",
        "nsp_loss",
        "nsp_accuracy",
        "baselines",
        "seconds",
    } <= set(results)
    assert set(results["baselines"]) == {
        "mlm_unigram_loss",
        "mlm_unigram_perplexity",
        "mlm_most_frequent_accuracy",
        "nsp_majority_accuracy",
    }
    assert results["examples"] == 20 and results["step"] == 6
    assert np.exp(results["mlm_loss"]) == pytest.approx(results["mlm_perplexity"])
    for name in (files.CONFIG, files.CURVES, files.METRICS, "vocab.txt"):
        assert (workdir / name).stat().st_size > 0
    lines = jsonl.read(workdir / files.METRICS)
    assert [(line["step"], line["kind"]) for line in lines] == [
        (2, "train"),
        (4, "train"),
        (4, "held_out"),
        (6, "train"),
        (6, "held_out"),
    ]
    assert {
        "loss",
        "mlm_loss",
        "mlm_accuracy",
        "nsp_accuracy",
        "gradient_norm",
        "update_norm",
        "learning_rate",
        "sequences_per_second",
        "tokens_per_second",
        "data_wait_share",
    } <= set(lines[0])
    provenance = json.loads(next((workdir / "provenance").iterdir()).read_text())
    assert (
        provenance["packages"]["jax"] == jax.__version__
        and provenance["data"]["train"]["counts"]["tokens"] > 0
    )
    assert sorted(int(p.name) for p in (workdir / CHECKPOINTS).iterdir() if p.name.isdigit()) == [
        2,
        4,
        6,
    ]


def test_stopped_and_resumed_is_bit_equal(run_recipe, whole, tmp_path, final_state):
    workdir, results = whole(run_recipe)
    assert go(run_recipe, tmp_path / "run", train__stop_after=3) is None
    resumed = go(run_recipe, tmp_path / "run")
    jax.tree.map(
        np.testing.assert_array_equal,
        final_state(run_recipe, tmp_path / "run"),
        final_state(run_recipe, workdir),
    )
    assert {k: v for k, v in resumed.items() if k != "seconds"} == {
        k: v for k, v in results.items() if k != "seconds"
    }


def test_a_finished_run_is_left_as_it_is(run_recipe, whole):
    workdir, results = whole(run_recipe)
    before = (workdir / files.METRICS).read_bytes()
    assert go(run_recipe, workdir) == results
    assert (workdir / files.METRICS).read_bytes() == before


def test_results_that_a_kill_prevented_are_made(run_recipe, whole, tmp_path):
    workdir, results = whole(run_recipe)
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / files.RESULTS).unlink()
    again = go(run_recipe, tmp_path / "run")
    assert again["mlm_loss"] == results["mlm_loss"]


def test_another_layout_and_mesh_resume_the_same_run(run_recipe, whole, tmp_path):
    workdir, results = whole(run_recipe)
    shutil.copytree(workdir, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / CHECKPOINTS / "6")
    (tmp_path / "run" / files.RESULTS).unlink()
    again = go(
        run_recipe,
        tmp_path / "run",
        mesh__data=2,
        mesh__tensor=2,
        compute__vocab_multiple=16,
        compute__fused_qkv=True,
    )
    assert again["mlm_loss"] == pytest.approx(results["mlm_loss"], rel=1e-4)


def test_a_config_that_may_not_change_is_refused(run_recipe, whole):
    workdir, _ = whole(run_recipe)
    before = (workdir / files.CONFIG).read_bytes()
    with pytest.raises(UserError, match="begun with another config") as error:
        go(run_recipe, workdir, optimizer__learning_rate=0.5, masking__rate=0.2)
    assert "config.optimizer.learning_rate=0.5" in str(error.value)
    assert "config.masking.rate=0.15" in str(error.value)
    assert (workdir / files.CONFIG).read_bytes() == before


def test_a_damaged_checkpoint_is_set_aside(run_recipe, whole, tmp_path):
    """One flipped bit in the latest checkpoint: the run goes on from the one before, to the same
    end."""
    workdir, results = whole(run_recipe)
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / files.RESULTS).unlink()
    latest = tmp_path / "run" / CHECKPOINTS / "6"
    target = max(
        (p for p in (latest / "params").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
    )
    content = bytearray(target.read_bytes())
    content[len(content) // 2] ^= 1
    target.write_bytes(content)
    again = go(run_recipe, tmp_path / "run")
    assert again["mlm_loss"] == results["mlm_loss"]
    assert len(list((tmp_path / "run" / CHECKPOINTS).glob("damaged-6-*"))) == 1


def test_another_vocabulary_is_refused(run_recipe, whole, tmp_path):
    workdir, _ = whole(run_recipe)
    tokens = (workdir / "vocab.txt").read_text().splitlines()
    (tmp_path / "other.txt").write_text("\n".join([*tokens[:-1], "zebrafish"]) + "\n")
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / files.RESULTS).unlink()
    with pytest.raises(UserError, match="not the vocabulary that this run began with"):
        go(run_recipe, tmp_path / "run", tokenizer__vocab_file=str(tmp_path / "other.txt"))


def test_other_text_under_the_same_name_is_refused(run_recipe, whole, corpus_dir, tmp_path):
    from bert_jax.importers import local_text

    workdir, _ = whole(run_recipe)
    shutil.copytree(workdir, tmp_path / "run")
    (tmp_path / "run" / files.RESULTS).unlink()
    texts = sorted(corpus_dir.parent.glob("*.txt"))[:40]
    local_text.prepare(texts, "documents", "topics", str(tmp_path / "tfds"), held_out=0.2)
    with pytest.raises(UserError, match="begun with other data") as error:
        go(
            run_recipe,
            tmp_path / "run",
            corpus__data_dir=str(tmp_path / "tfds"),
            store__dir=str(tmp_path / "store"),
        )
    assert "train.fingerprint" in str(error.value)


def test_one_process_at_a_time(tmp_path):
    with (
        files.locked(tmp_path / "run"),
        pytest.raises(UserError, match="another process trains in"),
        files.locked(tmp_path / "run"),
    ):
        pass
    with files.locked(tmp_path / "run"):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"), files.locked(tmp_path / "file"):
        pass


def test_mistakes_are_found_before_anything_is_made(run_recipe, tmp_path):
    with pytest.raises(UserError, match="config.train.batch_size does not divide"):
        go(run_recipe, tmp_path / "run", mesh__data=8, train__batch_size=12)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="not prepared"):
        go(run_recipe, tmp_path / "run", corpus__name="topcs")


def test_a_budget_of_tokens_or_operations_is_a_number_of_steps(
    run_recipe, whole, tmp_path, final_state
):
    """The same run, bit for bit, as with that many steps."""
    workdir, _ = whole(run_recipe)
    rows, length = run_recipe.train.batch_size, run_recipe.instances.length
    run_recipe.train.tokens = 6.9 * rows * length
    run_recipe.train.steps = 1000
    results = go(run_recipe, tmp_path / "run")
    assert results["step"] == 6
    jax.tree.map(
        np.testing.assert_array_equal,
        final_state(run_recipe, tmp_path / "run"),
        final_state(run_recipe, workdir),
    )
    config = configs.resolve(run_recipe)
    shapes = batch_shapes(config)
    a_step = flops.train_step(with_vocabulary(config.model, 600), ("mlm", "nsp"), shapes)
    train_keys = dataclasses.replace(config.train, tokens=0.0, flops=2.5 * a_step)
    assert steps_of_budget(dataclasses.replace(config, train=train_keys), 600, shapes) == 2
    for key in ("tokens", "flops"):
        train_keys = dataclasses.replace(config.train, **dict(tokens=0.0, flops=0.0) | {key: 1.0})
        with pytest.raises(UserError, match=f"config.train.{key} does not pay for a step"):
            steps_of_budget(dataclasses.replace(config, train=train_keys), 600, shapes)
    run_recipe.train.epochs = 1.0
    with pytest.raises(UserError, match="config.train.epochs"):
        configs.resolve(run_recipe)


def test_a_clock_stops_a_run_which_goes_on(run_recipe, whole, tmp_path, final_state):
    workdir, results = whole(run_recipe)
    assert go(run_recipe, tmp_path / "run", train__stop_after_minutes=1e-6) is None
    assert [
        int(p.name) for p in (tmp_path / "run" / CHECKPOINTS).iterdir() if p.name.isdigit()
    ] == [1]
    go(run_recipe, tmp_path / "run")
    jax.tree.map(
        np.testing.assert_array_equal,
        final_state(run_recipe, tmp_path / "run"),
        final_state(run_recipe, workdir),
    )


def test_steps_are_traced_and_their_share_of_the_peak_is_logged(run_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "peak_of", lambda kind: 1e9)
    go(run_recipe, tmp_path / "run", log__profile_after=2, log__profile_steps=2)
    assert list((tmp_path / "run" / "profile").rglob("*.xplane.pb"))
    config = configs.resolve(run_recipe)
    model = with_vocabulary(config.model, 600)
    a_step = flops.train_step(model, ("mlm", "nsp"), batch_shapes(config))
    for line in jsonl.read(tmp_path / "run" / files.METRICS):
        if line["kind"] == "train":
            assert line["mfu"] == pytest.approx(a_step * line["steps_per_second"] / 1e9)
    monkeypatch.setattr(loop, "peak_of", lambda kind: None)
    go(run_recipe, tmp_path / "unknown", train__stop_after=2)
    assert all("mfu" not in line for line in jsonl.read(tmp_path / "unknown" / files.METRICS))
    assert not (tmp_path / "unknown" / "profile").exists()


@pytest.mark.full
def test_spans_and_a_changing_rate_train(run_recipe, tmp_path):
    run_recipe.masking.update(dict(scheme="spans", rate=0.4, final_rate=0.1, max_predictions=14))
    config = configs.resolve(run_recipe)
    assert go(run_recipe, tmp_path / "run")["step"] == 6
    data = CorpusData(config, tmp_path / "run", None, progress=False)
    workload = data.workload(config, make_mesh(config.mesh), quiet())
    counts = [workload.batch(step)[1]["masked_weights"].sum() for step in range(6)]
    assert counts == sorted(counts, reverse=True) and counts[0] > 1.8 * counts[-1]


def test_phases_have_room_and_go_on(run_recipe):
    run_recipe.masking.update(dict(rate=0.2, final_rate=0.4))
    run_recipe.instances.phases = ((16, 8, 2), (32, 8, 1), (16, 32, 3))
    found = phases_of(configs.resolve(run_recipe))
    assert [(one.first, one.steps, one.taken, one.shape) for one in found] == [
        (0, 2, 0, (8, 16)),
        (2, 1, 0, (8, 32)),
        (3, 3, 16, (32, 16)),
    ]
    assert [one.config.masking.max_predictions for one in found] == [7, 13, 7]
    run_recipe.masking.update(dict(final_rate=0.0, draw="independent", max_predictions=10))
    assert phases_of(configs.resolve(run_recipe))[0].config.masking.max_predictions == 5
    run_recipe.train.batch_size = 32
    with pytest.raises(UserError, match="config.train.batch_size"):
        configs.resolve(run_recipe)


@pytest.mark.full
@pytest.mark.parametrize(
    "kind, objectives",
    [
        ("sentence_order", ("mlm", "sop")),
        ("sentence_pair", ("mlm", "nsp")),
        ("full_sentences", ("mlm",)),
        ("doc_sentences", ("mlm",)),
        ("full_sentences", ("lm",)),
        ("segment_pair", ("lm", "nsp")),
    ],
)
def test_every_kind_of_instance_trains(run_recipe, tmp_path, kind, objectives):
    run_recipe.instances.kind, run_recipe.objectives = kind, objectives
    run_recipe.model.causal = "lm" in objectives
    results = go(run_recipe, tmp_path / "run", train__steps=2)
    wanted = {f"{name}_{score}" for name in objectives for score in ("loss", "accuracy")}
    assert {name for name in results if name.endswith(("_loss", "_accuracy"))} == wanted
    assert ("sop_majority_accuracy" in results["baselines"]) == ("sop" in objectives)


@pytest.mark.full
def test_phases_are_one_run_in_one_schedule(run_recipe, tmp_path, final_state, capsys):
    """The first phase is what a run of it alone does in that schedule; a stop in the second one
    changes nothing."""
    run_recipe.checkpoint.every = 0
    alone = run_recipe.copy_and_resolve_references()
    alone.instances.length, alone.masking.max_predictions = 16, 3  # 15% of 16, rounded up
    go(alone, tmp_path / "alone", train__stop_after=3)
    run_recipe.instances.phases = ((16, 8, 3), (32, 4, 3))
    console = Console(width=200)
    assert train(configs.resolve(run_recipe), tmp_path / "whole", console)["step"] == 6
    assert (
        "8 rows of 16 tokens for 3 steps, then 4 rows of 32 tokens for 3 steps"
        in capsys.readouterr().out
    )
    for stop in (3, 5):
        go(run_recipe, tmp_path / "run", train__stop_after=stop)
        if stop == 3:
            jax.tree.map(
                np.testing.assert_array_equal,
                final_state(run_recipe, tmp_path / "run"),
                final_state(alone, tmp_path / "alone"),
            )
    go(run_recipe, tmp_path / "run")
    jax.tree.map(
        np.testing.assert_array_equal,
        final_state(run_recipe, tmp_path / "run"),
        final_state(run_recipe, tmp_path / "whole"),
    )
    with pytest.raises(UserError, match="config.instances.phases"):
        run_recipe.train.steps = 7
        configs.resolve(run_recipe)


@pytest.mark.full
def test_a_mixture_is_one_run(run_recipe, tmp_path, final_state, capsys):
    """Two corpora with keys of their own: resumed to the bit, scored together and each, and so
    again afterwards."""
    for name, value in vars(builtins).items():
        if len(value.__doc__ or "") > 400:
            (tmp_path / f"{name}.txt").write_text(value.__doc__)
    run_recipe.corpus.mixture = (
        ("topics", 1.0),
        ("builtins", 3.0, dict(data_dir=str(tmp_path / "data"))),
    )
    run_recipe.corpus.name = run_recipe.store.dir = ""
    local_text.prepare([tmp_path / "*.txt"], "documents", "builtins", tmp_path / "data", 0.4)
    results = train(configs.resolve(run_recipe), tmp_path / "whole", Console(width=200))
    said = capsys.readouterr().out
    assert "topics: " in said and "3 passes an epoch" in said
    of_each = [results[f"{name}/mlm_loss"] for name in ("topics", "builtins")]
    assert min(of_each) < results["mlm_loss"] < max(of_each)
    go(run_recipe, tmp_path / "run", train__stop_after=3)
    assert go(run_recipe, tmp_path / "run")["mlm_loss"] == results["mlm_loss"]
    jax.tree.map(
        np.testing.assert_array_equal,
        final_state(run_recipe, tmp_path / "run"),
        final_state(run_recipe, tmp_path / "whole"),
    )
    again = evaluate(configs.resolve(run_recipe), tmp_path / "run", tmp_path / "run", quiet())
    assert {name: again[name] for name in ("mlm_loss", "builtins/mlm_loss")} == pytest.approx(
        {name: results[name] for name in ("mlm_loss", "builtins/mlm_loss")}
    )
    assert again["baselines"] == results["baselines"]
    run_recipe.corpus.mixture = run_recipe.corpus.mixture[::-1]
    with pytest.raises(UserError, match="config.corpus.mixture"):
        go(run_recipe, tmp_path / "run")


@pytest.mark.full
def test_an_average_is_the_model_and_resumes(run_recipe, tmp_path, final_state):
    run_recipe.optimizer.ema_decay = 0.9
    results = go(run_recipe, tmp_path / "whole")
    for workdir, last in (
        ("run", {}),
        ("other", dict(compute__scan_layers=True, compute__vocab_multiple=64)),
    ):
        go(run_recipe, tmp_path / workdir, train__stop_after=3)
        again = go(run_recipe, tmp_path / workdir, **last)
        assert again["mlm_loss"] == pytest.approx(results["mlm_loss"], rel=1e-5)
    state = final_state(run_recipe, tmp_path / "whole")
    jax.tree.map(np.testing.assert_array_equal, state, final_state(run_recipe, tmp_path / "run"))
    scores = evaluate(configs.resolve(run_recipe), tmp_path / "whole", tmp_path / "whole", quiet())
    assert scores["mlm_loss"] == pytest.approx(results["mlm_loss"])
    jax.tree.map(
        np.testing.assert_array_equal, state.average, open_pretrained(tmp_path / "whole").read()
    )
    apart = jax.tree.map(lambda a, b: np.abs(a - b).max(), state.average, state.params)
    assert min(jax.tree.leaves(apart["bert"]["encoder"])) > 0


@pytest.mark.full
def test_a_run_out_of_its_reference_says_so(run_recipe, whole, tmp_path, capsys):
    workdir, _ = whole(run_recipe)
    made = reference.make([workdir, workdir])
    made["steps"]["4"]["nsp_loss"] = [0.1, 0.001]
    files.write_json(tmp_path / "reference.json", made)
    run_recipe.evaluate.reference = str(tmp_path / "reference.json")
    train(configs.resolve(run_recipe), tmp_path / "run", Console(width=200))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    assert len(said) == 1 and "step 4: nsp_loss" in said[0]
    lines = {
        line["step"]: line
        for line in jsonl.read(tmp_path / "run" / files.METRICS)
        if line["kind"] == "held_out"
    }
    assert [lines[step]["outside_reference"] for step in (4, 6)] == [1, 0]
    run_recipe.evaluate.reference = "nowhere.json"
    with pytest.raises(UserError, match="config.evaluate.reference"):
        go(run_recipe, tmp_path / "other")
