"""Scores of answers and entities beside those of the official scorers, on many predictions.

    python -m benchmarks.scorers --squad dev-v1.1.json --scorer evaluate-v1.1.py
    python -m benchmarks.scorers --squad dev-v2.0.json --scorer evaluate-v2.0.py
    python -m benchmarks.scorers --conlleval conlleval.pl [--seqeval]

Each set of predictions mixes the true answers with strings that are hard to score: other articles
and cases, punctuation of many scripts, spaces that are not ASCII, combining marks, nothing, parts
of the answers and of their contexts. The scorers run unchanged, as processes on files; seqeval, if
installed, runs as a library. Prints the number of sets, and how many figures differ in any digit.
"""

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from bert_jax.tasks import entities, squad

NASTY = (
    "",
    " ",
    "the",
    "The a an",
    ".",
    "…",
    "“",
    "”",
    "–",
    "\u00a0",
    "\u2003",
    "\u200b",
    "é",
    "e\u0301",
    "ﬁ",
    "ß",
    "ẞ",
    "İ",
    "İstanbul",
    "ΣΑΣ",
    "a",
    "an apple",
    "A.",
    "U.S.",
    "theatre",
    "a-the-an",
    "中文",
    "١٢",
    "½",
    "\n",
    "\t",
    "\x1f",
    "\x0b",
    "_",
    "the_",
    "$5",
    "5%",
    "'s",
    "’s",
    "\u2028",
    "𝔞",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.scorers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--squad", type=Path, help="file in the format of SQuAD 1.1 or 2.0")
    parser.add_argument("--scorer", type=Path, help="official scorer of that format")
    parser.add_argument("--conlleval", type=Path, help="scorer of CoNLL's shared tasks, in Perl")
    parser.add_argument("--seqeval", action="store_true", help="compare entities with seqeval too")
    parser.add_argument("--sets", type=int, default=50, help="number of sets of predictions")
    args = parser.parse_args()
    if args.squad:
        compare_answers(args)
    if args.conlleval:
        compare_entities(args)


def compare_answers(args) -> None:
    """Scores sets of predictions by both scorers, and prints the number of figures that differ."""
    questions = []  # (question, its context)
    for article in json.loads(args.squad.read_text())["data"]:
        for paragraph in article["paragraphs"]:
            questions += [(question, paragraph["context"]) for question in paragraph["qas"]]
    second = any("is_impossible" in question for question, _ in questions)
    figures = different = 0
    for seed in range(args.sets):
        draw = random.Random(seed)
        predictions = {
            question["id"]: predicted(draw, question["answers"], context)
            for question, context in questions
        }
        odds = {
            name: draw.choice((draw.gauss(0, 3), round(draw.gauss(0, 2)))) for name in predictions
        }
        answers = [[answer["text"] for answer in question["answers"]] for question, _ in questions]
        threshold = draw.choice((0.0, 1.0, -2.5))
        ours = (
            squad.score_unanswerable(
                answers, list(predictions.values()), list(odds.values()), threshold
            )
            if second
            else squad.score(answers, list(predictions.values()))
        )
        with tempfile.TemporaryDirectory() as directory:
            files = [Path(directory) / name for name in ("predictions.json", "odds.json")]
            for file, values in zip(files, (predictions, odds)):
                file.write_text(json.dumps(values))
            options = (
                ["--na-prob-file", str(files[1]), "--na-prob-thresh", str(threshold)]
                if second
                else []
            )
            process = subprocess.run(
                [sys.executable, str(args.scorer), str(args.squad), str(files[0]), *options],
                capture_output=True,
                text=True,
                check=True,
            )
        theirs = json.loads(process.stdout)
        theirs["exact"] = theirs.pop("exact_match", None) or theirs.get("exact", 0.0)
        figures += len(ours)
        different += sum(ours[name] != theirs[name] for name in ours)
    print(
        f"{args.squad.name}: {len(questions):,} questions, {args.sets} sets of predictions: of "
        f"{figures} figures "
        f"{different} differ"
    )


def predicted(draw: random.Random, answers: list[dict], context: str) -> str:
    """Returns a random prediction, which may be right."""
    text = draw.choice(answers)["text"] if answers else ""
    words = context.split()
    begin = draw.randrange(len(words))
    return draw.choice(
        (
            text,
            text,
            text.upper(),
            f"The {text}",
            f"{text}.",
            f"a {text} an",
            text.replace(" ", "\u00a0"),
            text[:-1],
            " ".join(text.split()[::-1]),
            text + draw.choice(NASTY),
            draw.choice(NASTY) + " " + text,
            " ".join(words[begin : begin + draw.randint(1, 6)]),
            draw.choice(NASTY),
            "".join(draw.choice(NASTY) for _ in range(3)),
            "",
        )
    )


def compare_entities(args) -> None:
    """Scores random tags, valid or not, by all scorers, and prints how many figures differ."""
    figures = different = differs_from_seqeval = 0
    for seed in range(args.sets):
        draw = random.Random(seed)
        sentences = [
            [(draw.choice(TAGS), draw.choice(TAGS)) for _ in range(draw.randint(1, 12))]
            for _ in range(200)
        ]
        sentences = [
            [(tag, tag if draw.random() < 0.6 else other) for tag, other in sentence]
            for sentence in sentences
        ]
        true, guessed = ([[pair[i] for pair in sentence] for sentence in sentences] for i in (0, 1))
        ours = entities.score(true, guessed)
        lines = "\n\n".join(
            "\n".join(f"w {one} {other}" for one, other in sentence) for sentence in sentences
        )
        output = subprocess.run(
            ["perl", str(args.conlleval)],
            input=lines + "\n",
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        words = output.splitlines()[1].replace("%;", " ").split()
        theirs = dict(
            zip(("entity_precision", "entity_recall", "entity_f1"), (words[3], words[5], words[7]))
        )
        figures += len(theirs)
        different += sum(f"{100 * ours[name]:.2f}" != theirs[name] for name in theirs)
        if args.seqeval:
            from seqeval import metrics

            others = dict(
                entity_precision=metrics.precision_score,
                entity_recall=metrics.recall_score,
                entity_f1=metrics.f1_score,
            )
            differs_from_seqeval += sum(
                abs(ours[name] - of(true, guessed)) > 1e-12 for name, of in others.items()
            )
    print(
        f"entities: {args.sets} sets of 200 sentences: of {figures} figures {different} differ, "
        f"to the two digits "
        "that conlleval prints"
        + f"; {differs_from_seqeval} from seqeval, beyond 1e-12"
        * args.seqeval
    )


TAGS = [
    "O",
    "O",
    "O",
    *("-".join(parts) for parts in itertools.product("BI", ("PER", "LOC", "A-B"))),
]


if __name__ == "__main__":
    main()
