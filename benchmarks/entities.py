r"""Named entities beside Hugging Face's token classification: entity F1 over seeds, and time.

    python -m benchmarks.entities --model DIR --data_dir DIR --task NAME --results FILE \
        [--epochs 3] [--seeds 5]
    python -m benchmarks.entities ... --sides ours features-last features-concat_last_four

--model is a Hugging Face directory with a tokenizer; --data_dir and --task name a data set of
`prepare ner`. Both sides train from the same weights on the same sentences with AdamW, dropout and
a linear schedule, and label the first piece of each word: `AutoModelForTokenClassification` under
the Trainer with dynamic padding, and the loop of `train.py`, each in a process of its own. Entities
are counted by conlleval's rules. A side `features-KIND` is the feature-based approach: BERT stays
frozen, and a BiLSTM reads its hidden states. --results keeps a line per run, so that the same
command resumes where it was stopped.
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
from bert_jax.tasks import entities, examples

FEATURES = "features-"


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.entities",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", required=True, help="TFDS name of the data set")
    parser.add_argument(
        "--sides",
        nargs="+",
        default=list(beside.SIDES),
        help="sides to compare: ours, theirs, features-KIND",
    )
    parser.add_argument("--lstm_size", type=int, default=768, help="width of the BiLSTM")
    parser.add_argument(
        "--feature_epochs", type=float, default=10.0, help="epochs of the feature-based sides"
    )
    parser.add_argument(
        "--feature_learning_rate",
        type=float,
        default=1e-3,
        help="peak learning rate of the feature-based sides",
    )
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--validation_split", default="validation")
    beside.options(parser, epochs=3.0, learning_rate=5e-5, batch_size=32, seeds=5)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(train_theirs(args) if args.side == "theirs" else train_ours(args)))
        return
    of_all = {
        name: getattr(args, name)
        for name in ("task", "batch_size", "length", "train_split", "validation_split")
    }
    tuned = dict(epochs=args.epochs, learning_rate=args.learning_rate)
    of_features = dict(
        epochs=args.feature_epochs,
        learning_rate=args.feature_learning_rate,
        lstm_size=args.lstm_size,
    )
    settings = {
        side: of_all | (of_features if side.startswith(FEATURES) else tuned) for side in args.sides
    }
    for side, setting in settings.items():
        print(f"{side}: " + ", ".join(f"{name} {value}" for name, value in setting.items()))
    beside.compare(beside.runs(settings, args.seeds, args.results))


def train_ours(args) -> dict:
    from bert_jax.training.loop import train

    made = beside.recipe(args)
    made.task.update(dict(validation_splits=(args.validation_split,), length=args.length))
    if args.side.startswith(FEATURES):
        features = args.side.removeprefix(FEATURES)
        made.probe.update(dict(features=features, lstm_size=args.lstm_size))
        made.optimizer.frozen = (r"^/bert/",)
        made.optimizer.learning_rate = args.feature_learning_rate
        made.train.epochs = args.feature_epochs
    with tempfile.TemporaryDirectory() as directory:
        results = train(configs.resolve(made), Path(directory), Console(stderr=True))
    return dict(
        scores={name: results[f"{args.validation_split}/{name}"] for name in entities.METRICS},
        training=results["seconds"]["training"],
        scoring=results["seconds"]["held-out evaluation"],
    )


def train_theirs(args) -> dict:
    import transformers

    # The seed of the head that is made here; the Trainer gets its own below.
    transformers.set_seed(args.seed)
    learned, scored = (
        examples.read(args.task, args.data_dir, split)
        for split in (args.train_split, args.validation_split)
    )
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        args.model, num_labels=len(learned.label_names)
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)

    def rows(read: examples.Examples) -> list[dict]:
        made = tokenizer(
            read.texts_a, is_split_into_words=True, truncation=True, max_length=args.length
        )
        result = []
        for number, labels in enumerate(read.labels):
            words = made.word_ids(number)
            firsts = [
                word is not None and word != before for before, word in zip([None, *words], words)
            ]
            result.append(
                dict(
                    labels=[
                        int(labels[word]) if is_first else -100
                        for word, is_first in zip(words, firsts)
                    ],
                    **{name: made[name][number] for name in ("input_ids", "attention_mask")},
                )
            )
        return result

    with tempfile.TemporaryDirectory() as directory:
        trainer = beside.trainer(
            args,
            model,
            tokenizer,
            transformers.DataCollatorForTokenClassification(tokenizer),
            rows(learned),
            directory,
        )
        began = time.monotonic()
        trainer.train()
        trained = time.monotonic()
        logits, labels, _ = trainer.predict(rows(scored))
    names = np.array(learned.label_names)
    guesses = [
        names[scores.argmax(-1)[places != -100]].tolist() for scores, places in zip(logits, labels)
    ]
    # Words beyond the end of a sentence that was cut are outside of entities.
    guesses = [
        [*guess, *[entities.OUTSIDE] * (len(tags) - len(guess))]
        for guess, tags in zip(guesses, scored.labels)
    ]
    scores = entities.score([names[tags].tolist() for tags in scored.labels], guesses)
    return dict(scores=scores, training=trained - began, scoring=time.monotonic() - trained)


if __name__ == "__main__":
    main()
