r"""Fine-tuning on GLUE beside Hugging Face: the same losses, the same scores, and the time.

    python -m benchmarks.finetuning --model DIR --data_dir DIR [--task mrpc] [--steps 200]
    python -m benchmarks.finetuning --model DIR --data_dir DIR [--task mrpc] --epochs 3
    python -m benchmarks.finetuning --model DIR --data_dir DIR [--task mrpc] --epochs 3 \
        --seeds 5 --results FILE

--model is a Hugging Face directory with a tokenizer; --data_dir was made by `prepare glue`.

The first form compares losses. It trains PyTorch's `BertForSequenceClassification` and bert-jax
from the same weights, head included, on the same batches with AdamW and without dropout, and prints
the largest differences of losses and of scores on the development set. The second form compares
time: it trains with dropout, end to end, under the Trainer with dynamic padding and by the loop of
`train.py`, each in a process of its own. The third form does that for several seeds and prints the
scores of both sides with the 95% interval of the difference of their means (Welch's). --results
keeps a line per run, so that the same command resumes where it was stopped.
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
from bert_jax.tasks import examples
from bert_jax.tasks.glue import TASKS


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.finetuning",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--task", default="mrpc", choices=[name for name, task in TASKS.items() if task.train]
    )
    parser.add_argument(
        "--steps", type=int, default=200, help="number of steps of the comparison of losses"
    )
    beside.options(parser, epochs=0.0, learning_rate=5e-5, batch_size=32, seeds=1)
    args = parser.parse_args()
    if args.side:
        print(json.dumps(dict(ours=train_ours, theirs=train_theirs)[args.side](args)))
    elif args.epochs:
        setting = dict(
            task=args.task,
            train_split=args.train_split,
            epochs=args.epochs,
            learning_rate=args.learning_rate,
        )
        done = beside.runs(dict.fromkeys(beside.SIDES, setting), args.seeds, args.results)
        print(
            f"{args.task}, {args.train_split}, {args.epochs:g} epochs, learning rate "
            f"{args.learning_rate:g}, "
            f"batch {args.batch_size}, float32, {args.seeds} seeds"
        )
        beside.compare(done)
    else:
        args.epochs = 3.0
        compare_losses(args)


def recipe(args):
    made = beside.recipe(args)
    made.task.name = TASKS[args.task].name
    return made


def compare_losses(args) -> None:
    """Trains both models on the same batches and prints the differences of losses and scores."""
    import jax
    import torch
    import transformers

    from bert_jax.checkpoint import initial
    from bert_jax.parallel import mesh as meshes
    from bert_jax.tasks.packed import shuffled
    from bert_jax.training import state
    from bert_jax.training.step import make_train_step
    from bert_jax.training.task_workload import TaskData

    task = TASKS[args.task]
    labels = len(task.labels) or 1
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as directory:
        workdir = Path(directory)
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
            args.model, num_labels=labels, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ).train()
        tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)
        theirs.save_pretrained(workdir / "start")
        tokenizer.save_pretrained(workdir / "start")
        made = recipe(args)
        made.init_from = str(workdir / "start")
        made.compute.matmul_precision = "highest"
        made.model.update(dict(hidden_dropout=0.0, attention_dropout=0.0, classifier_dropout=0.0))
        mesh = meshes.make_mesh(configs.resolve(made).mesh)
        config, pretrained = initial.adopt(configs.resolve(made))
        data = TaskData(config, workdir, pretrained, progress=False)
        workload = data.workload(config, mesh, Console(quiet=True))
        plan = workload.plan
        chosen = shuffled(plan.examples, config.train.batch_size, args.steps, config.seed)
        text = examples.read(task.name, args.data_dir, "train")
        held_out = examples.read(task.name, args.data_dir, task.validation[0])

        def inputs(split, rows):
            pair = [[split.texts_b[i] for i in rows]] if split.texts_b else []
            return tokenizer(
                [split.texts_a[i] for i in rows],
                *pair,
                truncation=True,
                max_length=config.task.length,
                padding=True,
                return_tensors="pt",
            )

        # No weight decay, which is the default of the Trainer.
        optimizer = torch.optim.AdamW(theirs.parameters(), lr=5e-5, eps=1e-8, weight_decay=0.0)
        schedule = transformers.get_linear_schedule_with_warmup(
            optimizer, plan.optimizer.warmup_steps, plan.steps
        )
        with jax.set_mesh(mesh):
            ours, _ = state.state_from(pretrained, plan, data.vocabulary, mesh)
            step = jax.jit(make_train_step(plan))
            differences = []
            for number, rows in enumerate(chosen):
                target = torch.tensor(text.labels[rows])
                loss = theirs(
                    **inputs(text, rows), labels=target.long() if labels > 1 else target
                ).loss
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                ours, metrics = step(ours, workload.batch(number)[1])
                differences.append(abs(loss.item() - float(metrics["loss"])))
            scorer = workload.evaluator(jax.tree.map(lambda x: x.sharding, ours.params))
            scorer.score(ours.params)
        predictions = scorer.predictions[task.validation[0]]
        theirs.eval()
        with torch.no_grad():
            logits = torch.cat(
                [
                    theirs(**inputs(held_out, range(i, min(i + 64, len(held_out))))).logits
                    for i in range(0, len(held_out), 64)
                ]
            ).numpy()
    same = np.mean(logits.argmax(-1) == predictions.decided) if labels > 1 else None
    print(f"{args.task}: {args.steps} steps of 32 examples, dropout 0, float32")
    print(f"  losses: at most {max(differences):.2e} apart, mean {np.mean(differences):.2e}")
    print(
        f"  scores of {len(held_out):,} development examples: at most "
        f"{np.abs(logits - predictions.scores).max():.2e} apart"
        + (f"; predictions equal: {same:.2%}" if same is not None else "")
    )


def train_ours(args) -> dict:
    from bert_jax.training.loop import train

    with tempfile.TemporaryDirectory() as directory:
        results = train(configs.resolve(recipe(args)), Path(directory), Console(quiet=True))
    first = TASKS[args.task].validation[0]
    scores = {metric: results[f"{first}/{metric}"] for metric in TASKS[args.task].metrics}
    return dict(training=results["seconds"]["training"], scores=scores)


def train_theirs(args) -> dict:
    import transformers

    from bert_jax.tasks import metrics

    task = TASKS[args.task]
    # The seed of the head that is made here; the Trainer gets its own below.
    transformers.set_seed(args.seed)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        args.model, num_labels=len(task.labels) or 1
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.model)

    def dataset(split):
        read = examples.read(task.name, args.data_dir, split)
        made = tokenizer(
            read.texts_a, *[read.texts_b] if read.texts_b else [], truncation=True, max_length=128
        )
        return [
            dict(labels=label, **{name: values[i] for name, values in made.items()})
            for i, label in enumerate(read.labels.tolist())
        ]

    with tempfile.TemporaryDirectory() as directory:
        trainer = beside.trainer(
            args,
            model,
            tokenizer,
            transformers.DataCollatorWithPadding(tokenizer),
            dataset(args.train_split),
            directory,
        )
        began = time.monotonic()
        trainer.train()
        training = time.monotonic() - began
        held_out = dataset(task.validation[0])
        predicted = trainer.predict(held_out).predictions
    decided = predicted.argmax(-1) if len(task.labels) else predicted[:, 0]
    scores = metrics.score(task.metrics, np.array([row["labels"] for row in held_out]), decided)
    return dict(training=training, scores={metric: scores[metric] for metric in task.metrics})


if __name__ == "__main__":
    main()
