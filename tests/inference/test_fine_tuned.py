"""A fine-tuned model on new text, from the command line and from Python."""

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import evaluate
from bert_jax import config as configs
from bert_jax.__main__ import main
from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.checkpoint.pretrained import flat
from bert_jax.cli import predict
from bert_jax.config import TaskConfig
from bert_jax.errors import UserError
from bert_jax.inference.fine_tuned import FineTuned
from bert_jax.runs import files
from bert_jax.tasks.examples import Examples
from bert_jax.tasks.tokenised import tokenise
from bert_jax.text.wordpiece import Encoder
from bert_jax.training.loop import train
from tests.conftest import recipe_of_tasks, shortened
from tests.made_tasks import choice_rows, rows, squad_file


@pytest.fixture(scope="module")
def trained(tasks_dir, tmp_path_factory):
    """A run by the kind of its task, trained once, and what it predicted."""
    root = tmp_path_factory.mktemp("runs")

    def make(kind="classification"):
        if not (root / kind).exists():
            recipe = shortened(recipe_of_tasks(tasks_dir))
            recipe.task.name = kind
            train(configs.resolve(recipe), root / kind, Console(quiet=True))
        written = (root / kind / files.PREDICTIONS / "validation.jsonl").read_text().splitlines()
        return root / kind, [json.loads(line) for line in written]

    return make


@pytest.mark.parametrize(
    "kind",
    [
        "classification",
        "tagging",
        pytest.param("regression", marks=pytest.mark.full),
        pytest.param("multilabel", marks=pytest.mark.full),
    ],
)
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


@pytest.mark.parametrize("kind", ["span2", pytest.param("span", marks=pytest.mark.full)])
def test_it_answers_what_validation_answered(trained, kind, tmp_path, capsys):
    workdir, expected = trained(kind)
    (tmp_path / "asked.json").write_text(json.dumps(squad_file(kind, 60, 1)))
    predict.main([f"--checkpoint={workdir}", f"--input={tmp_path / 'asked.json'}"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for one, other in zip(found, expected, strict=True):
        assert (one["id"], one["prediction"]) == (other["idx"], other["prediction"])
        assert one.get("null_odds", 0) == pytest.approx(other.get("null_odds", 0), abs=1e-4)
    if kind == "span":
        return
    answers = json.loads((workdir / files.PREDICTIONS / "validation.predictions.json").read_text())
    assert answers == {one["id"]: one["prediction"] for one in found} and "" in answers.values()
    for threshold, none in ((-1e9, True), (1e9, False)):
        predict.main(
            [
                f"--checkpoint={workdir}",
                f"--input={tmp_path / 'asked.json'}",
                f"--null_threshold={threshold}",
            ]
        )
        assert {
            not json.loads(line)["prediction"] for line in capsys.readouterr().out.splitlines()
        } == {none}
    # Scored again it is by the threshold that was found.
    evaluate.main([f"--checkpoint={workdir}"])
    scores = json.loads((workdir / "evaluation.json").read_text())
    assert scores["validation/f1"] == pytest.approx(scores["validation/best_f1"])
    assert (
        json.loads((workdir / "evaluation" / "validation.predictions.json").read_text()) == answers
    )


def test_it_answers_questions_that_are_given(trained, tmp_path, capsys):
    workdir, _ = trained("span2")
    contexts = ["b c q d", "q b c d"]
    (tmp_path / "rows.tsv").write_text(
        "question\tcontext\n" + "".join(f"x\t{context}\n" for context in contexts)
    )
    options = [f"--checkpoint={workdir}", "--null_threshold=100"]
    found = []
    for given in (
        ["--text", "x", "x", "--text_pair", *contexts],
        [f"--input={tmp_path / 'rows.tsv'}"],
        ["--text", "x", "x", "--text_pair", contexts[0]],
    ):
        predict.main([*options, *given])
        found.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    assert found[0] == found[1] and found[2] == [found[0][0]] * 2
    for line, context in zip(found[0], contexts):
        assert context[line["start"] :].startswith(line["prediction"]) and line["prediction"]
    with pytest.raises(ValueError, match="for each question its context"):
        FineTuned.load(workdir)(["x"])
    (tmp_path / "lines.txt").write_text("x\n")
    (tmp_path / "one.tsv").write_text("question\nx\n")
    for wrong, said in (
        (["--text", "x"], "does not fit --text"),
        ([f"--input={tmp_path / 'lines.txt'}"], "questions with their contexts"),
        ([f"--input={tmp_path / 'one.tsv'}"], "one column of .*one.tsv, 'question'"),
    ):
        with pytest.raises(UserError, match=said):
            predict.main([*options, *wrong])


def test_it_chooses_as_in_validation_among_any_number(trained, tmp_path, capsys):
    workdir, expected = trained("choice")
    asked = choice_rows(60, 1)
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    predict.main([f"--checkpoint={workdir}", f"--input={tmp_path / 'asked.jsonl'}"])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["prediction"] for one in found] == [int(one["prediction"]) for one in expected]
    predict.main(
        [f"--checkpoint={workdir}", "--text", asked[0]["text"], "--text_pair", *asked[0]["choices"]]
    )
    assert json.loads(capsys.readouterr().out)["probabilities"] == pytest.approx(
        found[0]["probabilities"], abs=1e-5
    )
    model = FineTuned.load(workdir)
    # Of other numbers of choices, mixed: a choice's score does not depend on the others.
    two, four = model(["x", "x"], [asked[0]["choices"][:2], [*asked[0]["choices"], "b"]])
    of_all = found[0]["probabilities"]
    assert two["probabilities"] == pytest.approx(np.array(of_all[:2]) / sum(of_all[:2]), abs=1e-4)
    assert len(four["probabilities"]) == 4
    with pytest.raises(UserError, match="of choices the command line takes one text"):
        predict.main([f"--checkpoint={workdir}", "--text", "x", "y", "--text_pair", "a", "b"])


def test_words_see_their_document_and_no_other(trained):
    workdir, _ = trained("tagging")

    def scores(first: str, context: str) -> list[np.ndarray]:
        model = FineTuned.load(workdir, task=TaskConfig(context=context))
        texts = [first.split(), "b q c".split(), "q d".split()]
        task = tokenise(
            Examples(
                "tagging",
                texts,
                None,
                None,
                np.arange(3),
                model.labels,
                {},
                {},
                documents=np.array([0, 0, 1]),
            ),
            Encoder(model.vocabulary, model.tokenizer),
        )
        return np.split(model.predictions(task).scores, np.cumsum([3, 3]))

    for context, differs in (("document", True), ("sentence", False)):
        (_, of_document, of_other), (_, as_well, other) = (
            scores("a b c", context),
            scores("x x x", context),
        )
        assert np.abs(of_document - as_well).max() > 1e-3 or not differs
        np.testing.assert_allclose(of_other, other, atol=1e-5)
        if not differs:
            np.testing.assert_allclose(of_document, as_well, atol=1e-5)


def test_the_command_reads_texts_lines_and_columns(trained, tmp_path, capsys):
    workdir, expected = trained()
    texts = [row["text"] for row in rows("classification", 60, 1)]
    (tmp_path / "lines.txt").write_text("".join(text + "\n" for text in texts))
    (tmp_path / "rows.tsv").write_text(
        "number\tsentence\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(texts))
    )
    (tmp_path / "rows.jsonl").write_text('{"text": "a q"}\n{"text": 5}\n')
    (tmp_path / "gaps.jsonl").write_text('{"text": "a q"}\n{"other": "a"}\n')
    options = [f"--checkpoint={workdir}"]
    for given in (
        ["--text", *texts],
        [f"--input={tmp_path / 'lines.txt'}"],
        [f"--input={tmp_path / 'rows.tsv'}", "--column=sentence"],
    ):
        predict.main([*options, *given])
        printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line["prediction"] for line in printed] == [line["prediction"] for line in expected]
    predict.main(
        [*options, f"--input={tmp_path / 'lines.txt'}", f"--output={tmp_path / 'out.jsonl'}"]
    )
    assert [
        json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()
    ] == printed
    for wrong, said in (
        ([], "there is no text"),
        (["--text", "a", "--text_pair", "b", "c"], "does not fit"),
        ([f"--input={tmp_path / 'none.txt'}"], "is not there"),
        ([f"--input={tmp_path / 'rows.tsv'}", "--column=sentense"], "sentence"),
        ([f"--input={tmp_path / 'rows.jsonl'}"], r"rows.jsonl:2: 'text' is no text"),
        ([f"--input={tmp_path / 'gaps.jsonl'}"], r"gaps.jsonl:2 has no value in 'text'"),
    ):
        with pytest.raises(UserError, match=said):
            predict.main([*options, *wrong])


def test_the_door_scores_a_run_that_learned_a_task(trained, tmp_path, tasks_dir):
    workdir, _ = trained()
    evaluate.main([f"--checkpoint={workdir}"])
    scores = json.loads((workdir / "evaluation.json").read_text())
    results = json.loads((workdir / files.RESULTS).read_text())
    assert sorted(scores) == [
        "examples",
        *(f"validation/{name}" for name in ("accuracy", "loss", "macro_f1", "mean")),
    ]
    for name, value in scores.items():
        assert value == pytest.approx(results[name], rel=1e-4)
    with pytest.raises(UserError, match="tagging, split validation, has other labels"):
        evaluate.main(
            [
                f"--checkpoint={workdir}",
                "--config.task.name=tagging",
                f"--workdir={tmp_path / 'other'}",
            ]
        )


def test_a_split_whose_labels_are_hidden_is_predicted(trained, tmp_path):
    workdir, _ = trained("choice")
    hidden = [dict(text=row["text"], choices=row["choices"]) for row in choice_rows(60, 1)]
    for split, of_split in (
        ("train", choice_rows(20, 0)),
        ("validation", choice_rows(20, 1)),
        ("test", hidden),
    ):
        (tmp_path / f"{split}.jsonl").write_text(
            "".join(json.dumps(row) + "\n" for row in of_split)
        )
    main(
        [
            "prepare",
            "choice",
            *(f"--{split}={tmp_path / split}.jsonl" for split in ("train", "validation", "test")),
            "--name=with_test",
            f"--data_dir={tmp_path / 'data'}",
        ]
    )
    evaluate.main(
        [
            f"--checkpoint={workdir}",
            f"--workdir={tmp_path / 'scored'}",
            "--config.task.name=with_test",
            f"--config.task.data_dir={tmp_path / 'data'}",
            "--config.task.validation_splits=('validation', 'test')",
        ]
    )
    scores = json.loads((tmp_path / "scored" / "evaluation.json").read_text())
    assert "validation/accuracy" in scores and not any(name.startswith("test/") for name in scores)
    lines = (tmp_path / "scored" / "evaluation" / "test.jsonl").read_text().splitlines()
    assert len(lines) == 60 and "label" not in json.loads(lines[0])


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
    cls = (
        "AutoModelForTokenClassification"
        if kind == "tagging"
        else "AutoModelForSequenceClassification"
    )
    model = getattr(transformers, cls).from_pretrained(tmp_path / "hf").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    back, ours = FineTuned.load(tmp_path / "hf", length=24), FineTuned.load(workdir, length=24)
    for row in rows(kind, 10, 1):
        text = row["tokens" if kind == "tagging" else "text"]
        with torch.no_grad():
            inputs = tokenizer(text, is_split_into_words=kind == "tagging", return_tensors="pt")
            logits = model(**inputs).logits[0]
        (answer,) = ours([text])
        if kind == "regression":
            assert answer["prediction"] == pytest.approx(logits.item(), abs=1e-4)
        elif kind == "tagging":
            assert answer["prediction"] == [
                model.config.id2label[i] for i in logits[1:-1].argmax(-1).tolist()
            ]
        else:
            shares = logits.sigmoid() if kind == "multilabel" else logits.softmax(-1)
            np.testing.assert_allclose(answer["probabilities"], shares, atol=1e-4)
            assert [model.config.id2label[i] for i in range(len(shares))] == list(ours.labels)
        assert back([text]) == [answer] and back.kind == ours.kind


@pytest.mark.full
@pytest.mark.parametrize(
    "kind, cls",
    [
        ("span", "BertForQuestionAnswering"),
        ("span2", "BertForQuestionAnswering"),
        ("choice", "BertForMultipleChoice"),
    ],
)
def test_what_answers_or_chooses_is_exported_and_read_again(trained, tmp_path, kind, cls):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    workdir, _ = trained(kind)
    convert(open_pretrained(workdir), tmp_path / "hf", "hf")
    model, said = getattr(transformers, cls).from_pretrained(
        tmp_path / "hf", output_loading_info=True
    )
    assert not said["missing_keys"] and not said["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf")
    # Of an answer that there may be none the format does not say.
    options = dict(length=24, null_threshold=0.0 if kind == "span2" else None)
    ours, back = FineTuned.load(workdir, **options), FineTuned.load(tmp_path / "hf", **options)
    if kind == "choice":
        asked = [(row["text"], row["choices"]) for row in choice_rows(20, 1)]
    else:
        asked = [
            (paragraph["qas"][0]["question"], paragraph["context"])
            for paragraph in squad_file(kind, 20, 1)["data"][0]["paragraphs"]
        ]
    answers = ours(*zip(*asked))
    for one, other in zip(answers, back(*zip(*asked)), strict=True):
        assert one["prediction"] == other["prediction"]
    for (text, pair), answer in zip(asked, answers):
        pairs = pair if kind == "choice" else [pair]
        with torch.no_grad():
            said = model.eval()(
                **{
                    name: x[None] if kind == "choice" else x
                    for name, x in tokenizer(
                        [text] * len(pairs), pairs, padding=True, return_tensors="pt"
                    ).items()
                }
            )
        if kind == "choice":
            np.testing.assert_allclose(
                answer["probabilities"], said.logits[0].softmax(-1), atol=1e-4
            )
        else:
            null = (said.start_logits[0, 0] + said.end_logits[0, 0]).item()
            tokens = slice(2 + len(tokenizer.tokenize(text)), -1)  # of the context, a word each
            sums = (said.start_logits[0, tokens][:, None] + said.end_logits[0, tokens]).numpy()
            sums[np.tril_indices_from(sums, -1)] = -np.inf
            first, last = np.unravel_index(sums.argmax(), sums.shape)
            best, of_best = sums.max(), " ".join(pair.split()[first : last + 1])
            assert answer["prediction"] == ("" if kind == "span2" and null > best else of_best)
            if kind == "span2":
                assert answer["null_odds"] == pytest.approx(null - best, abs=1e-4)


@pytest.mark.full
def test_a_reader_of_features_is_resumed_and_predicts(short_recipe, tmp_path):
    short_recipe.task.name, short_recipe.probe.features = "tagging", "weighted_last_four"
    short_recipe.probe.lstm_size, short_recipe.optimizer.frozen = 16, (r"^/bert/",)
    short_recipe.checkpoint.every = 5
    whole = train(configs.resolve(short_recipe), tmp_path / "whole", Console(quiet=True))
    short_recipe.train.stop_after = 12
    assert train(configs.resolve(short_recipe), tmp_path / "parts", Console(quiet=True)) is None
    short_recipe.train.stop_after = 0
    assert train(configs.resolve(short_recipe), tmp_path / "parts", Console(quiet=True)) | dict(
        seconds=0
    ) == whole | dict(seconds=0)
    expected = (
        (tmp_path / "whole" / files.PREDICTIONS / "validation.jsonl").read_text().splitlines()
    )
    found = FineTuned.load(tmp_path / "whole")([row["tokens"] for row in rows("tagging", 60, 1)])
    assert [line["prediction"] for line in found] == [
        json.loads(line)["prediction"] for line in expected
    ]
    with pytest.raises(UserError, match="no BiLSTM over a BERT"):
        convert(open_pretrained(tmp_path / "whole"), tmp_path / "hf", "hf")
    encoder, start = (
        flat(open_pretrained(path, heads=()).read()["bert"])
        for path in (tmp_path / "whole", Path(short_recipe.init_from))
    )
    assert all(np.array_equal(encoder[name], start[name]) for name in start)
