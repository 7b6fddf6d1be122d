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

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe_file(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text("from bert_jax.config import recipe\n\ndef get_config(layers='3'):\n    config = recipe()\n"
                    "    config.model.num_layers = int(layers)\n    return config\n")
    return path


def parsed(*arguments):
    parser = parser_with_config("test", "")
    parser.add_argument("--workdir")
    return parse(parser, list(arguments))


def test_recipe_and_keys(recipe_file):
    args, config = parsed(f"--config={recipe_file}", "--workdir=x", "--config.train.batch_size=64",
                          "--config.optimizer.learning_rate=1e-3", "--config.objectives=('mlm',)",
                          "--config.masking.whole_word=True", "--config.corpus.train_split=train[:90%]")
    assert args.workdir == "x" and config.model.num_layers == 3 and config.train.batch_size == 64
    assert config.optimizer.learning_rate == 1e-3 and config.objectives == ("mlm",) and config.masking.whole_word
    assert config.corpus.train_split == "train[:90%]"
    assert parsed(f"--config={recipe_file}:5")[1].model.num_layers == 5


def test_a_checkpoints_architecture_goes_before_the_files_but_not_before_the_command_lines(recipe_file):
    _, config = parsed(f"--config={recipe_file}", "--config.init_from=x", "--config.model.hidden_size=24")
    assert config.model.num_layers == 12 and config.model.hidden_size == 24
    _, config = parsed(f"--config={recipe_file}", "--config.init_from=x", "--config.model.hidden_dropout=0.3")
    assert config.model.hidden_dropout == 0.3


def test_presets_come_before_keys(recipe_file):
    _, config = parsed(f"--config={recipe_file}", "--preset=huggingface", "--config.optimizer.epsilon=1e-7")
    assert config.model.activation == "gelu_erf" and config.optimizer.epsilon == 1e-7
    assert parsed(f"--config={recipe_file}", "--preset=google")[1] == parsed(f"--config={recipe_file}")[1]


@pytest.mark.parametrize("argument, expected", [
    ("--config.model.num_layer=2", "config.model.num_layers, perhaps"),
    ("--config.train.steps=many", "wrong type"),
    ("--config.train.steps", "has no value"),
    ("--config.model.num_heads=7", "divisor"),
])
def test_wrong_keys(recipe_file, argument, expected):
    with pytest.raises(UserError, match=expected):
        parsed(f"--config={recipe_file}", argument)


def test_wrong_recipes(recipe_file):
    with pytest.raises(UserError, match="no recipe"):
        parsed()
    with pytest.raises(UserError, match="is not there"):
        parsed("--config=nowhere.py")
    recipe_file.write_text(recipe_file.read_text().replace("num_layers", "num_layrs"))
    with pytest.raises(UserError, match="num_layrs"):
        parsed(f"--config={recipe_file}")
    recipe_file.write_text("from bert_jax.config import recipe\n\ndef get_config():\n    return recipe(\n")
    with pytest.raises(UserError, match="is wrong"):
        parsed(f"--config={recipe_file}")
    recipe_file.write_text("from bert_jax.config import recipe\n\ndef get_config():\n    c = recipe()\n"
                           "    c.seed = 'x'\n")
    with pytest.raises(UserError, match="line 5"):
        parsed(f"--config={recipe_file}")
    with pytest.raises(SystemExit):
        parsed(f"--config={recipe_file}", "--wrokdir=x")


def run(*command, **environment):
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=120,
                          env=os.environ | environment)


@pytest.mark.parametrize("command", [["train.py"], ["evaluate.py"], ["-m", "bert_jax", "prepare"],
                                     ["-m", "bert_jax", "prepare", "text"],
                                     ["-m", "bert_jax", "report"], ["-m", "bert_jax", "convert"],
                                     ["-m", "bert_jax", "predict"],
                                     ["-m", "bert_jax"]])
def test_help_is_full(command):
    done = run(*command, "--help")
    assert done.returncode == 0, done.stderr
    if command[0] != "-m":
        for name, field in configs.key_fields().items():
            assert f"--config.{name}=" in done.stdout and field.metadata["help"] in done.stdout


def test_errors_are_a_few_lines_and_status_2(tmp_path):
    done = run("train.py", "--config=configs/demo.py", f"--workdir={tmp_path / 'run'}",
               f"--config.corpus.data_dir={tmp_path}")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("error: the data set 'documentation' is not prepared")
    assert "prepare documentation" in done.stderr and len(done.stderr.splitlines()) < 8
    assert "is not a command" in run("-m", "bert_jax", "trian").stderr


def test_prepare_store_is_what_training_opens(run_recipe, tmp_path, capsys):
    from bert_jax.cli import prepare
    from bert_jax.data.corpora import open_corpus
    from bert_jax.data.preparation import open_or_make

    recipe = tmp_path / "recipe.py"
    recipe.write_text("from bert_jax.config import recipe as get_config\n")
    config = configs.resolve(run_recipe)
    taken, = open_corpus("topics", config.corpus.data_dir, "train").texts(0, 1)
    taken = taken[:200].replace("\n", " ").replace('"', "")
    for split, text in (("train", "a text"), ("validation", taken)):
        (tmp_path / f"{split}.csv").write_text(f'text,label\n"{text}",yes\n"something else that nobody says here",no\n')
    prepare.main(["task", f"--train={tmp_path / 'train.csv'}", f"--validation={tmp_path / 'validation.csv'}",
                  "--name=mine", f"--data_dir={tmp_path / 'tasks'}"])
    prepare.main(["store", f"--config={recipe}", f"--workdir={tmp_path / 'run'}", "--config.corpus.name=topics",
                  f"--config.corpus.data_dir={config.corpus.data_dir}", "--config.tokenizer.vocab_size=600",
                  "--overlap", "mine", f"--overlap_data_dir={tmp_path / 'tasks'}"])
    said = capsys.readouterr().out
    assert "vocabulary of 600" in said and "mine, validation: 1 of 2 texts" in said
    written = json.loads((tmp_path / "run" / "store" / "train" / "statistics.json").read_text())
    assert written["documents"] == 58 and written["overlap"]["mine"]["validation"]["found"] == 1
    made = (tmp_path / "run" / "store" / "train" / "manifest.json").stat().st_mtime_ns
    run_recipe.store.dir = run_recipe.tokenizer.vocab_file = ""
    open_or_make(configs.resolve(run_recipe), tmp_path / "run")
    assert (tmp_path / "run" / "store" / "train" / "manifest.json").stat().st_mtime_ns == made
