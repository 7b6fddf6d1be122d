"""The report has the pictures that the files of the runs allow, in one page that can be read
alone."""

import base64
import json
import random
import re

import matplotlib.image
import pytest

import evaluate
from bert_jax.protocol import fine_tuning, pages, plots

SETTINGS = [dict(bs=32, ep=3, lr=rate) for rate in (5e-5, 2e-5)]


def answers(kind: str, classes: list[str], count: int = 60) -> list[dict]:
    """Predictions that are mostly right."""
    draw = random.Random(0)

    def shares(at: int) -> list[float]:
        high = draw.uniform(0.55, 1.0)
        return [
            high if number == at else (1 - high) / (len(classes) - 1)
            for number in range(len(classes))
        ]

    made = []
    for number in range(count):
        label, guess = draw.choice(classes), draw.choice(classes)
        guess = label if draw.random() < 0.8 else guess
        at = classes.index(guess)
        made.append(
            dict(idx=number)
            | {
                "classification": lambda: dict(
                    prediction=guess, probabilities=shares(at), label=label
                ),
                "regression": lambda: dict(prediction=5 * draw.random(), label=5 * draw.random()),
                "multilabel": lambda: dict(
                    prediction=[guess], probabilities=shares(at), label=[label]
                ),
                "tagging": lambda: dict(
                    prediction=[guess] * 3,
                    probabilities=[shares(at)] * 3,
                    label=[label, guess, guess],
                ),
            }[kind]()
        )
    return made


def runs(
    workdir, task: str, kind: str, lines: list[dict] | None, settings=SETTINGS, seeds: int = 3
) -> dict:
    """Writes the files of a task's runs; returns what `results_of` would."""
    draw, found = random.Random(1), []
    for at, setting in enumerate(settings):
        for seed in range(seeds):
            name = f"{task.replace('/', '-')}/{at}-seed{seed}"
            directory = workdir / name
            directory.mkdir(parents=True)
            score, metrics = 0.5, []
            for step in range(50, 301, 50):
                metrics.append(
                    dict(step=step, kind="train", loss=0.7 - step / 600 + draw.uniform(-0.05, 0.05))
                )
                if step % 100 == 0:
                    score += draw.uniform(0.02, 0.12)
                    metrics.append({"step": step, "kind": "held_out", "validation/accuracy": score})
            (directory / "metrics.jsonl").write_text(
                "".join(json.dumps(line) + "\n" for line in metrics)
            )
            (directory / "results.json").write_text(
                json.dumps(dict(baselines={"validation/accuracy": 0.5}))
            )
            if lines is not None:
                (directory / "predictions").mkdir()
                (directory / "predictions" / "validation.jsonl").write_text(
                    "".join(json.dumps(line) + "\n" for line in lines)
                )
            found.append(
                dict(
                    directory=name,
                    setting=setting,
                    seed=seed,
                    seconds=1.0,
                    scores={"validation/accuracy": score},
                )
            )
    summaries = [
        fine_tuning.summary(
            setting,
            [one["scores"]["validation/accuracy"] for one in found if one["setting"] == setting],
        )
        for setting in settings
    ]
    return dict(
        kind=kind,
        metric="validation/accuracy",
        selected=settings[0],
        best=found[0]["directory"],
        settings=summaries,
        runs=found,
    )


@pytest.mark.parametrize(
    "kind, classes, pictures",
    [
        ("classification", ["no", "yes"], ["curves", "settings", "confusion", "calibration"]),
        (
            "classification",
            [f"class {i}" for i in range(40)],
            ["curves", "settings", "calibration"],
        ),
        ("tagging", ["O", "B-$x_$"], ["curves", "settings", "confusion"]),
        ("multilabel", ["x", "y", "z"], ["curves", "settings", "labels"]),
        ("regression", [""], ["curves", "settings", "scatter"]),
    ],
)
def test_every_kind_of_task_has_its_pictures(kind, classes, pictures, tmp_path):
    results = {"my/task": runs(tmp_path, "my/task", kind, answers(kind, classes))}
    drawn = plots.draw(results, tmp_path)["my/task"]
    assert [one.path for one in drawn] == [
        tmp_path / "plots" / f"my-task-{name}.png" for name in pictures
    ]
    for one in drawn:
        height, width, _ = matplotlib.image.imread(one.path).shape
        assert 200 < height < 2000 and 200 < width < 2000


@pytest.mark.parametrize(
    "kind, lines",
    [
        ("classification", None),
        ("classification", []),  # no file, no lines
        ("classification", [dict(idx=0, prediction="a", probabilities=[1.0])]),  # no labels
        ("tagging", [dict(idx=0, prediction=[], probabilities=[], label=[])]),  # no word
        (
            "multilabel",
            [dict(idx=0, prediction=[], probabilities=[0.1], label=[])],
        ),  # no label of an example
    ],
)
def test_what_is_missing_is_left_out(kind, lines, tmp_path):
    found = runs(tmp_path, "task", kind, lines, seeds=1)
    for path in tmp_path.glob("task/*/*.json*"):
        path.unlink()
    assert [one.path.stem for one in plots.draw({"task": found}, tmp_path)["task"]] == [
        "task-curves",
        "task-settings",
    ]


def test_numbers_that_are_nan_are_left_out(tmp_path):
    lines = [
        dict(idx=0, prediction=float("nan"), label=1.0),
        dict(idx=1, prediction=float("nan"), label=1.0),
    ]
    assert (
        len(plots.draw({"task": runs(tmp_path, "task", "regression", lines)}, tmp_path)["task"])
        == 3
    )


def test_many_settings_have_colours_of_their_own(tmp_path):
    settings = [dict(bs=32, ep=3, lr=number / 1e5) for number in range(1, 21)]
    found = runs(tmp_path, "task", "classification", None, settings, seeds=1)
    assert len(set(plots._colours(found))) == 20
    assert len(plots.draw({"task": found}, tmp_path)["task"]) == 2


def test_the_page_is_whole_and_escaped(tmp_path):
    results = {
        "<b>bold</b>": runs(
            tmp_path, "bold", "classification", answers("classification", ["<i>", "&"])
        ),
        "glue/mrpc": runs(tmp_path, "glue/mrpc", "classification", None),
    }
    for found in results["glue/mrpc"]["runs"]:
        found["scores"]["validation/f1"] = 0.91
    pages.write(
        results, "runs/<script>", "python evaluate.py --checkpoint='runs/<script>'", tmp_path
    )
    page = (tmp_path / pages.HTML).read_text()
    for raw in ("<b>", "<i>", "<script"):
        assert raw not in page
    assert page.count("runs/&lt;script&gt;") == 3 and "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "http:" not in page and "https:" not in page
    embedded = re.findall(r'src="data:image/png;base64,([^"]*)"', page)
    on_disk = {path.read_bytes() for path in (tmp_path / "plots").glob("*.png")}
    assert {base64.b64decode(one) for one in embedded} == on_disk and len(embedded) == 4 + 2
    # Markdown has the same cells.
    cells = [
        cell
        for section in pages.sections(results)
        for _, rows in section.tables
        for row in rows
        for cell in row
    ]
    written = (tmp_path / pages.MARKDOWN).read_text()
    assert "91.0" in cells and all(cell in written for cell in cells)
    assert page.count("<td>") == len(cells)


def test_the_door_writes_the_report(short_recipe, tmp_path, monkeypatch, capsys):
    results = {
        "classification": runs(
            tmp_path, "classification", "classification", answers("classification", ["no", "yes"])
        )
    }
    monkeypatch.setattr(fine_tuning, "fine_tune", lambda *_: results)
    (tmp_path / "recipe.py").write_text("from bert_jax.config import recipe as get_config\n")
    evaluate.main(
        [
            f"--config={tmp_path / 'recipe.py'}",
            f"--checkpoint={short_recipe.init_from}",
            f"--workdir={tmp_path}",
            f"--config.task.data_dir={short_recipe.task.data_dir}",
            "--config.task.length=24",
            "--tasks=classification",
        ]
    )
    page = (tmp_path / pages.HTML).read_text()
    assert (
        f"python evaluate.py --config={tmp_path / 'recipe.py'}" in page and page.count("<img") == 4
    )
    assert (tmp_path / pages.MARKDOWN).exists() and str(
        tmp_path / pages.HTML
    ) in capsys.readouterr().out
