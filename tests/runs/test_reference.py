import json

import pytest
from rich.console import Console

from bert_jax import config as configs
from bert_jax import recipes
from bert_jax.cli import report
from bert_jax.errors import UserError
from bert_jax.runs import files, reference

SOURCES = dict(train=dict(fingerprint="a"), held_out=dict(fingerprint="b"))


@pytest.fixture
def made(recipe, tmp_path):
    """`made(losses)`: workdirs of finished runs with other seeds and these losses at step 4."""

    def make(*losses, **keys):
        workdirs = []
        for seed, loss in enumerate(losses):
            changed = recipe.copy_and_resolve_references()
            changed.seed = seed
            for name, value in keys.items():
                changed.optimizer[name] = value
            workdir = tmp_path / f"{'-'.join(keys)}{seed}"
            workdir.mkdir()
            files.begin(configs.resolve(changed), SOURCES, workdir)
            lines = [
                dict(step=step, kind="held_out", mlm_loss=loss + 1 / step, examples=8)
                for step in (2, 4)
            ]
            (workdir / files.METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
            (workdir / files.RESULTS).write_text(
                json.dumps(dict(mlm_loss=loss, step=4, examples=8, seconds={}))
            )
            workdirs.append(workdir)
        return workdirs

    return make


@pytest.fixture
def watched(recipe, made, tmp_path, capsys):
    """`watched(scores, sources, **keys of the optimizer)`: what is told of step 4."""
    path = tmp_path / "references" / "small.json"
    report.main(["--workdir", *map(str, made(5.0, 5.1, 5.2)), f"--reference={path}"])
    capsys.readouterr()

    def told(scores, sources=SOURCES, step=4, **keys):
        recipe.evaluate.reference = str(path)
        recipe.seed = 9
        for name, value in keys.items():
            recipe.optimizer[name] = value
        watch = reference.watch(configs.resolve(recipe), sources, Console(width=200))
        return watch(step, scores), capsys.readouterr().out

    return told


def test_a_run_within_the_band_is_left_alone(watched):
    # At step 4 the mean is 5.35 and the deviation 0.1.
    assert watched(dict(mlm_loss=5.35 + 0.39)) == (dict(outside_reference=0), "")
    assert watched(dict(mlm_loss=9.0), step=3) == ({}, "")  # nothing to compare with


@pytest.mark.parametrize("loss", [5.35 + 0.41, 5.35 - 0.41, float("nan")])
def test_a_run_outside_is_told_of(watched, loss):
    found, said = watched(dict(mlm_loss=loss))
    assert found == dict(outside_reference=1)
    assert "step 4: mlm_loss is" in said and "outside of 4.95 to 5.75, the band of 3 runs" in said
    assert "text" not in said


def test_other_text_has_a_wider_band(watched):
    assert watched(dict(mlm_loss=5.35 + 0.55), sources=dict(train={})) == (
        dict(outside_reference=0),
        "",
    )
    found, said = watched(dict(mlm_loss=5.35 + 0.57), sources=dict(train={}))
    assert found == dict(outside_reference=1) and "the text is not the same" in said


def test_another_recipe_is_not_compared(watched):
    found, said = watched(dict(mlm_loss=9.0), learning_rate=0.5)
    assert (
        found == {}
        and "not compared" in said
        and said.rstrip().endswith("other config.optimizer.learning_rate")
    )


def test_little_spread_leaves_a_hundredth(made):
    of = reference.make(made(5.0, 5.0))
    assert of["steps"]["4"]["mlm_loss"] == (5.25, 0.0525)


def test_what_makes_no_reference_is_refused(made, tmp_path, recipe):
    one, *_ = made(5.0, 5.1)
    other, *_ = made(5.0, learning_rate=0.5)
    with pytest.raises(UserError, match="several runs"):
        reference.make([one])
    with pytest.raises(UserError, match="another recipe.*\n.*optimizer.learning_rate"):
        reference.make([one, other])
    (tmp_path / "bad.json").write_text('{"steps": {"2": {"mlm_loss": 3}}}')
    for path in ("bad.json", "none.json"):
        recipe.evaluate.reference = str(tmp_path / path)
        with pytest.raises(UserError, match="config.evaluate.reference"):
            reference.bands(configs.resolve(recipe))


def test_keys_that_an_older_reference_lacks_are_their_defaults(recipe, made, tmp_path, capsys):
    """And one that is unknown is told of: a newer version wrote it."""
    path = tmp_path / "reference.json"
    written = reference.make(made(5.0, 5.1, 5.2))
    defaults = json.loads(json.dumps(configs.fixed(configs.Config())))
    at_default = [key for key, value in written["keys"].items() if value == defaults[key]]
    assert len(at_default) > 30
    for key in at_default:
        del written["keys"][key]
    path.write_text(json.dumps(written))
    recipe.evaluate.reference = str(path)
    watch = reference.watch(recipes.resolve(recipe), SOURCES, Console(width=200))
    assert watch(4, dict(mlm_loss=9.0)) == dict(outside_reference=1)
    assert "outside of" in capsys.readouterr().out
    path.write_text(json.dumps(written | dict(keys=written["keys"] | {"model.window": 64})))
    watch = reference.watch(recipes.resolve(recipe), SOURCES, Console(width=200))
    assert watch(4, dict(mlm_loss=9.0)) == {}
    assert "has other config.model.window" in capsys.readouterr().out
