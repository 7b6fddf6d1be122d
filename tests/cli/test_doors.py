"""What a user types, and reads when it was wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bert_jax import config as configs
from bert_jax.cli.arguments import parse, parser_with_config
from bert_jax.errors import UserError
from bert_jax.optim.lamb import LambOptions
from bert_jax.pretraining.spans import SpanOptions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text(
        "from bert_jax.config import recipe\n\ndef get_config(layers='3'):\n    config = recipe()\n"
        "    config.model.num_layers = int(layers)\n    return config\n"
    )
    return path


def parsed(*arguments):
    parser = parser_with_config("test", "")
    parser.add_argument("--workdir")
    return parse(parser, list(arguments))


def test_recipe_and_keys(recipe_file):
    args, config = parsed(
        f"--config={recipe_file}",
        "--workdir=x",
        "--config.train.batch_size=64",
        "--config.optimizer.learning_rate=1e-3",
        "--config.objectives=('mlm',)",
        "--config.masking.scheme=whole_words",
        "--config.corpus.train_split=train[:90%]",
    )
    assert args.workdir == "x" and config.model.num_layers == 3 and config.train.batch_size == 64
    assert (
        config.optimizer.learning_rate == 1e-3
        and config.objectives == ("mlm",)
        and config.masking.scheme == "whole_words"
    )
    assert config.corpus.train_split == "train[:90%]"
    assert parsed(f"--config={recipe_file}:5")[1].model.num_layers == 5


@pytest.mark.parametrize(
    "argument, section, expected",
    [
        ("objectives=mlm", "", ("mlm",)),
        ("objectives=mlm,nsp", "", ("mlm", "nsp")),
        ("objectives=('mlm','nsp')", "", ("mlm", "nsp")),
        ("task.metrics=f1", "task", ("f1",)),
        ("task.metrics=", "task", ()),
        ("protocol.learning_rates=5e-5", "protocol", (5e-5,)),
        ("protocol.learning_rates=5e-5, 1", "protocol", (5e-5, 1.0)),
        ("protocol.batch_sizes=16,32", "protocol", (16, 32)),
        ("protocol.tasks=1,2", "protocol", ("1", "2")),
        ("optimizer.frozen=^/bert/", "optimizer", ("^/bert/",)),
        ("optimizer.frozen=(r'layer_[0,1]/',)", "optimizer", ("layer_[0,1]/",)),
        (
            "corpus.mixture=(('a',1.0),('b',2.0,{'cleaning':'none'}))",
            "corpus",
            (("a", 1.0), ("b", 2.0, {"cleaning": "none"})),
        ),
        ("corpus.mixture=('a',1.0)", "corpus", (("a", 1.0),)),
        ("mesh.rules=(('.*',()),)", "mesh", ((".*", ()),)),
        ("compute.scan_layers=true", "compute", True),
    ],
)
def test_tuples_and_flags(recipe_file, argument, section, expected):
    _, config = parsed(f"--config={recipe_file}", f"--config.{argument}")
    name = argument.partition("=")[0].rpartition(".")[2]
    assert getattr(getattr(config, section) if section else config, name) == expected


@pytest.mark.parametrize(
    "argument, given, example",
    [
        ("protocol.learning_rates=fast", "fast", "--config.protocol.learning_rates=5e-05,4e-05"),
        ("protocol.batch_sizes=1.5", "1.5", "--config.protocol.batch_sizes=32"),
        ("objectives=('mlm'", "('mlm'", "--config.objectives=mlm,nsp"),
        ("instances.phases=128,256", "(128, 256)", "(128,256,900000)"),
        ("corpus.mixture=wikipedia", "wikipedia", "('pg19',2.0"),
        ("compute.scan_layers=maybe", "maybe", "True or False"),
    ],
)
def test_wrong_values_show_an_example(recipe_file, argument, given, example):
    with pytest.raises(UserError, match=f"config.{argument.partition('=')[0]}") as error:
        parsed(f"--config={recipe_file}", f"--config.{argument}")
    assert given in str(error.value) and example in str(error.value)


def test_keys_of_registered_entries(recipe_file):
    _, config = parsed(
        f"--config={recipe_file}",
        "--config.optimizer.name=lamb",
        "--config.optimizer.lamb.trust_exclude=",
        "--config.masking.scheme=spans",
        "--config.masking.spans.p=0.5",
    )
    assert config.optimizer.options == LambOptions(trust_exclude=())
    assert config.masking.options == SpanOptions(p=0.5)
    with pytest.raises(UserError, match="(?s)lamb.trust_exclude has no effect.*'bert_adam'.*lamb"):
        parsed(f"--config={recipe_file}", r"--config.optimizer.lamb.trust_exclude=/bias$")
    default = ",".join(LambOptions().trust_exclude)
    with pytest.raises(UserError, match="has no effect"):
        parsed(f"--config={recipe_file}", f"--config.optimizer.lamb.trust_exclude={default}")


def test_old_names_are_refused_with_their_new_ones(recipe_file):
    with pytest.raises(UserError, match="(?s)masking.whole_word is not.*config.masking.scheme"):
        parsed(f"--config={recipe_file}", "--config.masking.whole_word=True")
    text = recipe_file.read_text()
    recipe_file.write_text(
        text.replace("    return", "    config.model.features = 'last'\n    return")
    )
    with pytest.raises(UserError, match="(?s)cannot be used.*config.probe.features, the new name"):
        parsed(f"--config={recipe_file}")


def test_a_checkpoints_architecture_goes_before_the_files_but_not_before_the_command_lines(
    recipe_file,
):
    _, config = parsed(
        f"--config={recipe_file}", "--config.init_from=x", "--config.model.hidden_size=24"
    )
    assert config.model.num_layers == 12 and config.model.hidden_size == 24
    _, config = parsed(
        f"--config={recipe_file}", "--config.init_from=x", "--config.model.hidden_dropout=0.3"
    )
    assert config.model.hidden_dropout == 0.3


def test_presets_come_before_keys(recipe_file):
    _, config = parsed(
        f"--config={recipe_file}", "--preset=huggingface", "--config.optimizer.epsilon=1e-7"
    )
    assert config.model.activation == "gelu_erf" and config.optimizer.epsilon == 1e-7
    assert (
        parsed(f"--config={recipe_file}", "--preset=google")[1]
        == parsed(f"--config={recipe_file}")[1]
    )


@pytest.mark.parametrize(
    "argument, expected",
    [
        ("--config.model.num_layer=2", "config.model.num_layers, perhaps"),
        ("--config.train.steps=many", "wrong type"),
        ("--config.train.steps", "has no value"),
        ("--config.model.num_heads=7", "divisor"),
    ],
)
def test_wrong_keys(recipe_file, argument, expected):
    with pytest.raises(UserError, match=expected):
        parsed(f"--config={recipe_file}", argument)


def test_wrong_recipes(recipe_file):
    with pytest.raises(UserError, match="no recipe"):
        parsed()
    with pytest.raises(UserError, match="does not exist"):
        parsed("--config=nowhere.py")
    recipe_file.write_text(recipe_file.read_text().replace("num_layers", "num_layrs"))
    with pytest.raises(UserError, match="num_layrs"):
        parsed(f"--config={recipe_file}")
    recipe_file.write_text(
        "from bert_jax.config import recipe\n\ndef get_config():\n    return recipe(\n"
    )
    with pytest.raises(UserError, match="cannot be used"):
        parsed(f"--config={recipe_file}")
    recipe_file.write_text(
        "from bert_jax.config import recipe\n\ndef get_config():\n    c = recipe()\n"
        "    c.seed = 'x'\n"
    )
    with pytest.raises(UserError, match="line 5"):
        parsed(f"--config={recipe_file}")
    with pytest.raises(SystemExit):
        parsed(f"--config={recipe_file}", "--wrokdir=x")


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | environment,
    )


@pytest.mark.parametrize(
    "command",
    [
        ["train.py"],
        ["evaluate.py"],
        ["-m", "bert_jax", "prepare"],
        ["-m", "bert_jax", "prepare", "text"],
        ["-m", "bert_jax", "report"],
        ["-m", "bert_jax", "convert"],
        ["-m", "bert_jax", "predict"],
        ["-m", "bert_jax"],
    ],
)
def test_help_is_full(command):
    done = run(*command, "--help")
    assert done.returncode == 0, done.stderr
    if command[0] != "-m":
        text = " ".join(done.stdout.split())
        for name, key in configs.key_fields().items():
            assert f"--config.{name}=" in text and key.help in text


def test_errors_are_a_few_lines_and_status_2(tmp_path):
    done = run(
        "train.py",
        "--config=configs/demo.py",
        f"--workdir={tmp_path / 'run'}",
        f"--config.corpus.data_dir={tmp_path}",
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: the data set 'documentation' is not prepared")
    assert "prepare documentation" in done.stderr and len(done.stderr.splitlines()) < 8
    assert "is not a command" in run("-m", "bert_jax", "trian").stderr


def test_prepare_store_is_what_training_opens(run_recipe, tmp_path, capsys):
    from bert_jax.cli import prepare
    from bert_jax.corpus.corpora import open_corpus
    from bert_jax.corpus.preparation import choose_vocabulary, open_or_make

    recipe = tmp_path / "recipe.py"
    recipe.write_text("from bert_jax.config import recipe as get_config\n")
    config = configs.resolve(run_recipe)
    corpus = open_corpus("topics", config.corpus.data_dir, "train")
    (taken,) = corpus.texts(0, 1)
    taken = taken[:200].replace("\n", " ").replace('"', "")
    for split, text in (("train", "a text"), ("validation", taken)):
        (tmp_path / f"{split}.csv").write_text(
            f'text,label\n"{text}",yes\n"something else that nobody says here",no\n'
        )
    prepare.main(
        [
            "task",
            f"--train={tmp_path / 'train.csv'}",
            f"--validation={tmp_path / 'validation.csv'}",
            "--name=mine",
            f"--data_dir={tmp_path / 'tasks'}",
        ]
    )
    prepare.main(
        [
            "store",
            f"--config={recipe}",
            f"--workdir={tmp_path / 'run'}",
            "--config.corpus.name=topics",
            f"--config.corpus.data_dir={config.corpus.data_dir}",
            "--config.tokenizer.vocab_size=600",
            "--overlap",
            "mine",
            f"--overlap_data_dir={tmp_path / 'tasks'}",
        ]
    )
    said = capsys.readouterr().out
    assert "vocabulary of 600" in said and "mine, validation: 1 of 2 texts" in said
    written = json.loads((tmp_path / "run" / "store" / "train" / "statistics.json").read_text())
    assert written["documents"] == len(corpus)
    assert written["overlap"]["mine"]["validation"]["found"] == 1
    made = (tmp_path / "run" / "store" / "train" / "manifest.json").stat().st_mtime_ns
    run_recipe.store.dir = run_recipe.tokenizer.vocab_file = ""
    config = configs.resolve(run_recipe)
    open_or_make(
        config, tmp_path / "run", choose_vocabulary(config, tmp_path / "run"), progress=False
    )
    assert (tmp_path / "run" / "store" / "train" / "manifest.json").stat().st_mtime_ns == made


def test_help_without_a_recipe_imports_no_jax():
    for command in ([], ["predict"], ["encode"], ["fill-mask"], ["prepare"], ["report"]):
        code = (
            "import sys; from bert_jax.__main__ import main\n"
            f"try: main({[*command, '--help']})\n"
            "except SystemExit: pass\n"
            "print([name for name in ('jax', 'flax', 'optax', 'orbax') if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
        )
        assert done.stdout.endswith("[]\n"), (command, done.stdout[-200:], done.stderr)
