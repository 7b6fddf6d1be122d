"""Every objective and kind of instances on one corpus, with the same steps of the demo's recipe.

    python -m benchmarks.pretraining_kinds --data_dir=runs/data --steps 800 --workdir=runs/kinds

Prints the held-out scores of each on its own instances and masks and, so that rows can be compared,
the MLM loss of all of them on the same ones: segment pairs with 15% of the tokens masked. Finished
rows are not run again.
"""

import argparse
import json
from pathlib import Path

MLM = ("mlm",)
ROWS = {
    "segment pairs, MLM and NSP (BERT)": {},
    "segment pairs, MLM alone": dict(objectives=MLM),
    "sentence pairs, MLM and NSP": {"instances.kind": "sentence_pair"},
    "sentence order, MLM and SOP (ALBERT)": {
        "instances.kind": "sentence_order",
        "objectives": ("mlm", "sop"),
    },
    "full sentences, MLM (RoBERTa)": {"instances.kind": "full_sentences", "objectives": MLM},
    "doc sentences, MLM": {"instances.kind": "doc_sentences", "objectives": MLM},
    "whole words": {"masking.scheme": "whole_words"},
    "spans (SpanBERT)": {"masking.scheme": "spans"},
    "40% masked": {"masking.rate": 0.4, "masking.max_predictions": 52},
    "left to right": {
        "instances.kind": "full_sentences",
        "objectives": ("lm",),
        "model.causal": True,
    },
    "LAMB": {"optimizer.name": "lamb", "optimizer.learning_rate": 5e-3},
    "moving average": {"optimizer.ema_decay": 0.99},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.pretraining_kinds",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data_dir",
        default="runs/data",
        help="TFDS data directory, see `python -m bert_jax prepare`",
    )
    parser.add_argument("--corpus", default="documentation")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument(
        "--workdir",
        type=Path,
        default=Path("runs/kinds"),
        help="directory that gets one run per row",
    )
    args = parser.parse_args()

    from rich.console import Console

    from bert_jax.disk import write_json

    rows = {}
    for name, keys in ROWS.items():
        path = args.workdir / name.replace(" ", "_") / "row.json"
        if not path.exists():
            Console().print(f"{name}: {args.steps} steps", highlight=False)
            write_json(path, _row(args, path.parent, keys))
        rows[name] = json.loads(path.read_text())

    print("| | own loss | own accuracy | NSP or SOP accuracy | MLM loss on common pairs | s |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        common, order = row["common"], row["order"]
        print(
            f"| {name} | {row['loss']:.3f} | {row['accuracy']:.3f} | "
            f"{'' if order is None else f'{order:.3f}'} "
            f"| {'' if common is None else f'{common:.3f}'} | {row['seconds']:.0f} |"
        )


def _row(args: argparse.Namespace, workdir: Path, keys: dict) -> dict:
    from rich.console import Console

    from bert_jax import config as configs
    from bert_jax.cli.arguments import load_recipe
    from bert_jax.inference.held_out_scores import evaluate
    from bert_jax.training.loop import train

    recipe = load_recipe("configs/demo.py")
    recipe.update_from_flattened_dict(
        {
            "corpus.name": args.corpus,
            "corpus.data_dir": args.data_dir,
            "store.dir": str(args.workdir / "store"),
            "train.steps": args.steps,
            "evaluate.every": 0,
            "evaluate.reference": "",
            "checkpoint.every": 0,
            "log.sinks": (),
            "optimizer.warmup_steps": args.steps // 8,
        }
    )
    common = recipe.copy_and_resolve_references()
    common.objectives = MLM
    recipe.update_from_flattened_dict(keys)
    vocabulary = args.workdir / "vocab.txt"
    if vocabulary.exists():
        recipe.tokenizer.vocab_file = str(vocabulary)
    results = train(configs.resolve(recipe), workdir, Console(quiet=True))
    if not vocabulary.exists():
        vocabulary.write_bytes((workdir / "vocab.txt").read_bytes())
    name = next(name for name in ("mlm", "lm") if f"{name}_loss" in results)
    order = next((results[key] for key in ("nsp_accuracy", "sop_accuracy") if key in results), None)
    on_common = (
        None
        if name == "lm"
        else evaluate(configs.resolve(common), workdir, args.workdir, Console(quiet=True))[
            "mlm_loss"
        ]
    )
    return dict(
        loss=results[f"{name}_loss"],
        accuracy=results[f"{name}_accuracy"],
        order=order,
        common=on_common,
        seconds=results["seconds"]["training"],
    )


if __name__ == "__main__":
    main()
