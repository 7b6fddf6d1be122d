"""A fine-tuned model on new text, from the command line and from Python."""

import json

import numpy as np
import pytest
from rich.console import Console

import evaluate
from bert_jax import config as configs
from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.cli import predict
from bert_jax.errors import UserError
from bert_jax.evaluation.finetuned import FineTuned
from bert_jax.training import run
from bert_jax.training.loop import train
from tests.made_tasks import rows


@pytest.fixture
def trained(short_recipe, tmp_path):
    def make(kind="classification"):
        short_recipe.task.name = kind
        train(configs.resolve(short_recipe), tmp_path / "run", Console(quiet=True))
        written = (tmp_path / "run" / run.PREDICTIONS / "validation.jsonl").read_text().splitlines()
        return tmp_path / "run", [json.loads(line) for line in written]

    return make


@pytest.mark.parametrize("kind", [
    "classification", "tagging", pytest.param("regression", marks=pytest.mark.full),
    pytest.param("multilabel", marks=pytest.mark.full),
])
def test_it_says_what_validation_said(trained, kind):
    workdir, expected = trained(kind)
    model = FineTuned.load(workdir)
    found = model([row["tokens" if kind == "tagging" else "text"] for row in rows(kind, 60, 1)])
    for one, other in zip(found, expected, strict=True):
        if kind == "regression":
            assert one == {"prediction": pytest.approx(other["prediction"], abs=1e-5)}
        else:
            assert one["prediction"] == other["prediction"]
            np.testing.assert_allclose(one["probabilities"], other["probabilities"], atol=1e-5)
    assert model([]) == []


def test_the_command_reads_texts_lines_and_columns(trained, tmp_path, capsys):
    workdir, expected = trained()
    texts = [row["text"] for row in rows("classification", 60, 1)]
    (tmp_path / "lines.txt").write_text("".join(text + "\n" for text in texts))
    (tmp_path / "rows.tsv").write_text("number\tsentence\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(texts)))
    (tmp_path / "rows.jsonl").write_text('{"text": "a q"}\n{"text": 5}\n')
    (tmp_path / "gaps.jsonl").write_text('{"text": "a q"}\n{"other": "a"}\n')
    options = [f"--checkpoint={workdir}"]
    for given in (["--text", *texts], [f"--input={tmp_path / 'lines.txt'}"],
                  [f"--input={tmp_path / 'rows.tsv'}", "--column=sentence"]):
        predict.main([*options, *given])
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["prediction"] for line in printed] == [line["prediction"] for line in expected]
    predict.main([*options, f"--input={tmp_path / 'lines.txt'}", f"--output={tmp_path / 'out.jsonl'}"])
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == printed
    for wrong, said in (([], "no text to answer on"), (["--text", "a", "--text_pair", "b", "c"], "does not fit"),
                        ([f"--input={tmp_path / 'none.txt'}"], "is not there"),
                        ([f"--input={tmp_path / 'rows.tsv'}", "--column=sentense"], "sentence"),
                        ([f"--input={tmp_path / 'rows.jsonl'}"], r"rows.jsonl:2: 'text' is no text"),
                        ([f"--input={tmp_path / 'gaps.jsonl'}"], r"gaps.jsonl:2 has no value in 'text'")):
        with pytest.raises(UserError, match=said):
            predict.main([*options, *wrong])


def test_the_door_scores_a_run_that_learned_a_task(trained, tmp_path, tasks_dir):
    workdir, _ = trained()
    evaluate.main([f"--checkpoint={workdir}"])
    scores = json.loads((workdir / "evaluation.json").read_text())
    results = json.loads((workdir / run.RESULTS).read_text())
    assert sorted(scores) == ["examples", *(f"validation/{name}" for name in ("accuracy", "loss", "macro_f1", "mean"))]
    for name, value in scores.items():
        assert value == pytest.approx(results[name], rel=1e-4)
    with pytest.raises(UserError, match="tagging, split validation, has other labels"):
        evaluate.main([f"--checkpoint={workdir}", "--config.task.name=tagging", f"--workdir={tmp_path / 'other'}"])


def test_what_has_not_learned_a_task_is_refused(trained, tmp_path):
    workdir, _ = trained()
    convert(open_pretrained(workdir, heads=()), tmp_path / "encoder", "orbax")
    with pytest.raises(UserError, match="has not learned a task"):
        FineTuned.load(tmp_path / "encoder")
    with pytest.raises(UserError, match="does not take texts of 128 tokens"):
        FineTuned.load(workdir, length=128)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["classification", "regression", "multilabel", "tagging"])
def test_transformers_says_the_same_of_what_it_is_given(trained, tmp_path, kind):
    """Exported, loaded by its pipeline's classes, labels and kind of problem along."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    workdir, _ = trained(kind)
    convert(open_pretrained(workdir), tmp_path / "hf", "hf")
    cls = "AutoModelForTokenClassification" if kind == "tagging" else "AutoModelForSequenceClassification"
    model = getattr(transformers, cls).from_pretrained(tmp_path / "hf").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    back, ours = FineTuned.load(tmp_path / "hf", length=24), FineTuned.load(workdir, length=24)
    for row in rows(kind, 10, 1):
        text = row["tokens" if kind == "tagging" else "text"]
        with torch.no_grad():
            inputs = tokenizer(text, is_split_into_words=kind == "tagging", return_tensors="pt")
            logits = model(**inputs).logits[0]
        answer, = ours([text])
        if kind == "regression":
            assert answer["prediction"] == pytest.approx(logits.item(), abs=1e-4)
        elif kind == "tagging":
            assert answer["prediction"] == [model.config.id2label[i] for i in logits[1:-1].argmax(-1).tolist()]
        else:
            shares = logits.sigmoid() if kind == "multilabel" else logits.softmax(-1)
            np.testing.assert_allclose(answer["probabilities"], shares, atol=1e-4)
            assert [model.config.id2label[i] for i in range(len(shares))] == list(ours.labels)
        assert back([text]) == [answer] and back.kind == ours.kind
