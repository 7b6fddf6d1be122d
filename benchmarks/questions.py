r"""Answers to questions beside Hugging Face's `run_qa` recipe: F1, exact match, and time.

    python -m benchmarks.questions --model DIR --data_dir DIR --task NAME --results FILE \
        [--epochs 1] [--seeds 1]

--model is a Hugging Face directory with a tokenizer; --data_dir and --task name a data set of
`prepare squad`. Both sides train from the same weights on the same windows (384 tokens, of which
neighbours share 128, as in `run_qa`) with AdamW, dropout and a linear schedule: the Trainer with
dynamic padding, and the loop of `train.py`, each in a process of its own. Theirs reads answers as
`run_qa` does: it pairs the 20 best first and last tokens of each window. Both are scored by SQuAD's
official rules. --results keeps a line per run, so that the same command resumes where it was
stopped.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks import beside
from bert_jax import config as configs
from bert_jax.tasks import examples, squad

LENGTH, OVERLAP, LONGEST, BEST = 384, 128, 30, 20


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.questions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", required=True, help="TFDS name of the data set")
    parser.add_argument("--validation_split", default="validation")
    beside.options(parser, epochs=1.0, learning_rate=1e-4, batch_size=16, seeds=1)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(dict(ours=train_ours, theirs=train_theirs)[args.side](args)))
        return
    names = ("task", "epochs", "batch_size", "learning_rate", "train_split", "validation_split")
    setting = {name: getattr(args, name) for name in names}
    done = beside.runs(dict.fromkeys(beside.SIDES, setting), args.seeds, args.results)
    print(
        f"{args.task}, {args.train_split}, {args.epochs:g} epochs, batch {args.batch_size}, "
        f"learning rate "
        f"{args.learning_rate:g}, float32"
    )
    beside.compare(done)


def train_ours(args) -> dict:
    from bert_jax.training.loop import train

    made = beside.recipe(args)
    made.task.update(
        dict(
            validation_splits=(args.validation_split,),
            length=LENGTH,
            stride=OVERLAP,
            stride_is="overlap",
        )
    )
    with tempfile.TemporaryDirectory() as directory:
        results = train(configs.resolve(made), Path(directory), Console(stderr=True))
    split, seconds = args.validation_split, results["seconds"]
    return dict(
        scores={name: 100 * results[f"{split}/{name}"] for name in ("f1", "exact")},
        training=seconds["training"],
        scoring=seconds["held-out evaluation"],
    )


def train_theirs(args) -> dict:
    import transformers

    transformers.set_seed(args.seed)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(args.model)
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)

    def windows(split: str):
        read = examples.read(args.task, args.data_dir, split)
        # The fast tokenizer gives characters of each token, and windows sharing `stride` tokens.
        made = tokenizer(
            [text.lstrip() for text in read.texts_a],
            read.texts_b,
            truncation="only_second",
            max_length=LENGTH,
            stride=OVERLAP,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        rows = []
        for number, example in enumerate(made["overflow_to_sample_mapping"]):
            of_context = np.array(made.sequence_ids(number), dtype=object) == 1
            places = np.array(made["offset_mapping"][number])
            row = {
                name: made[name][number]
                for name in ("input_ids", "attention_mask", "token_type_ids")
            }
            answer = read.labels[example][0]
            inside = np.flatnonzero(of_context)
            first = inside[places[inside, 1] > answer.start]
            last = inside[places[inside, 0] < answer.start + len(answer.text)]
            has_answer = (
                len(first)
                and len(last)
                and places[inside[0], 0] <= answer.start
                and places[inside[-1], 1] >= answer.start + len(answer.text)
            )
            row["start_positions"], row["end_positions"] = (
                (int(first[0]), int(last[-1])) if has_answer else (0, 0)
            )
            rows.append((row, example, inside, places))
        return read, rows

    with tempfile.TemporaryDirectory() as directory:
        _, learned = windows(args.train_split)
        trainer = beside.trainer(
            args,
            model,
            tokenizer,
            transformers.DataCollatorWithPadding(tokenizer),
            [row for row, *_ in learned],
            directory,
        )
        began = time.monotonic()
        trainer.train()
        trained = time.monotonic()
        read, scored = windows(args.validation_split)
        starts, ends = trainer.predict([row for row, *_ in scored]).predictions
    best = [("", -np.inf)] * len(read)
    for (_, example, inside, places), start, end in zip(scored, starts, ends):
        firsts, lasts = (np.intersect1d(np.argsort(-of)[:BEST], inside) for of in (start, end))
        for first in firsts:
            for last in lasts[(lasts >= first) & (lasts < first + LONGEST)]:
                if start[first] + end[last] > best[example][1]:
                    best[example] = (
                        read.texts_b[example][places[first, 0] : places[last, 1]],
                        start[first] + end[last],
                    )
    scores = squad.score(
        [[answer.text for answer in of] for of in read.labels], [text for text, _ in best]
    )
    return dict(
        scores={name: scores[name] for name in ("f1", "exact")},
        training=trained - began,
        scoring=time.monotonic() - trained,
    )


if __name__ == "__main__":
    main()
