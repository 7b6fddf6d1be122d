"""Workdirs of older versions are read, those of newer ones refused by the key that is unknown."""

import json

import pytest

from bert_jax import config as configs
from bert_jax import recipes
from bert_jax.errors import UserError
from bert_jax.runs import files

SOURCES = dict(train=dict(fingerprint="a", documents=3), held_out=dict(fingerprint="b"))


@pytest.fixture
def workdir(recipe, tmp_path):
    files.begin(recipes.resolve(recipe), SOURCES, tmp_path)
    return tmp_path


def change(path, key, value=None):
    """Removes a dotted key from a JSON file, or sets it."""
    values = json.loads(path.read_text())
    *sections, last = key.split(".")
    node = values
    for section in sections:
        node = node[section]
    node.pop(last, None)
    if value is not None:
        node[last] = value
    path.write_text(json.dumps(values))


@pytest.mark.parametrize("key", configs.fixed(configs.Config()))
def test_a_key_that_an_older_workdir_lacks_is_its_default(recipe, workdir, key):
    change(workdir / files.CONFIG, key)
    config, default = recipes.resolve(recipe), configs.flat(configs.Config())[key]
    if configs.flat(config)[key] == default:
        files.check_resume(config, workdir)
        assert files.read_config(workdir) == config
    else:  # at its default it does not fit other keys, or it is another run
        with pytest.raises(UserError, match="cannot be used|begun with another config") as error:
            files.check_resume(config, workdir)
        assert f"config.{key}" in str(error.value) and repr(default) in str(error.value)


@pytest.mark.parametrize("key", ["window", "model.window", "model.position.theta", "probe.cells"])
def test_a_key_of_a_newer_workdir_is_named(workdir, key):
    change(workdir / files.CONFIG, key, 64)
    with pytest.raises(UserError, match="config.json was written by a newer version") as error:
        files.read_config(workdir)
    assert key in str(error.value)


def test_a_value_of_a_newer_workdir_names_the_file(workdir):
    change(workdir / files.CONFIG, "model.activation", "swiglu")
    with pytest.raises(UserError, match="config.json cannot be used by this version") as error:
        files.read_config(workdir)
    assert "model.activation" in str(error.value)


def test_what_older_data_does_not_record_is_not_compared(workdir):
    change(workdir / files.DATA, "train.documents")
    files.check_data(SOURCES, workdir)
    with pytest.raises(UserError, match="begun with other data"):
        files.check_data(SOURCES | dict(train=dict(fingerprint="c", documents=3)), workdir)
    change(workdir / files.DATA, "train.licence", "free")
    with pytest.raises(UserError, match="data.json was written by a newer version"):
        files.check_data(SOURCES, workdir)
