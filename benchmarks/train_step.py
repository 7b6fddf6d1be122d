"""A training step beside Hugging Face's BERT in PyTorch: same sizes, same batch, same precision.

    python -m benchmarks.train_step

Three steps take turns, so that a drift in the machine's speed affects all of them: bert-jax's;
PyTorch's `BertForPreTraining` unchanged, which computes the vocabulary's logits at every position;
and the same model with its MLM head at the masked positions only, as in Google's code and here. All
have dropout 0.1, clip by the global norm and use AdamW in float32. Prints medians and the ratios
turn by turn.
"""

import argparse
import time

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from bert_jax import config as configs
from bert_jax.training import state
from bert_jax.training.plan import without_data
from bert_jax.training.step import make_train_step


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.train_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in dict(
        layers=4, hidden=256, length=128, vocabulary=30522, batch=32, predictions=20, turns=10
    ).items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    args = parser.parse_args()

    batch = random_batch(args)
    steps = {"bert-jax": ours(args, batch)} | theirs(args, batch)
    for step in steps.values():
        step()  # compiles, or warms up
    seconds = {name: [] for name in steps}
    for _ in range(args.turns):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - began)

    tokens = args.batch * args.length
    table = Table(
        "step",
        "seconds (min, median, max)",
        "tokens/s",
        "bert-jax is faster by (min, median, max)",
        title=f"{args.layers} layers, hidden {args.hidden}, {args.batch} rows of {args.length}, "
        f"vocabulary "
        f"{args.vocabulary}, float32, dropout 0.1, {args.turns} turns",
        title_justify="left",
    )
    for name, spent in seconds.items():
        ratios = np.array(spent) / seconds["bert-jax"]
        table.add_row(
            name,
            f"{min(spent):.3f}  {np.median(spent):.3f}  {max(spent):.3f}",
            f"{tokens / np.median(spent):,.0f}",
            f"{ratios.min():.2f}  {np.median(ratios):.2f}  {ratios.max():.2f}",
        )
    Console().print(table)


def random_batch(args) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    rows, length = args.batch, args.length
    ids = rng.integers(5, args.vocabulary, (rows, length), dtype=np.int32)
    positions = np.sort(
        rng.permuted(np.tile(np.arange(1, length), (rows, 1)), axis=1)[:, : args.predictions],
        axis=1,
    )
    return dict(
        input_ids=ids,
        token_type_ids=np.tile((np.arange(length) > length // 2).astype(np.int32), (rows, 1)),
        position_ids=np.tile(np.arange(length, dtype=np.int32), (rows, 1)),
        segment_ids=np.ones((rows, length), np.int32),
        example_positions=np.zeros((rows, 1), np.int32),
        example_weights=np.ones((rows, 1), np.float32),
        masked_positions=positions.astype(np.int32),
        masked_ids=rng.integers(5, args.vocabulary, (rows, args.predictions), dtype=np.int32),
        masked_weights=np.ones((rows, args.predictions), np.float32),
        next_sentence_labels=rng.integers(0, 2, (rows, 1), dtype=np.int32),
    )


def ours(args, batch):
    recipe = configs.recipe()
    recipe.model.update(
        vocab_size=args.vocabulary,
        hidden_size=args.hidden,
        num_layers=args.layers,
        num_heads=args.hidden // 64,
        intermediate_size=4 * args.hidden,
        max_position_embeddings=args.length,
    )
    recipe.instances.length = args.length
    recipe.train.batch_size = args.batch
    recipe.optimizer.name = "adamw"
    config = configs.resolve(recipe)
    now = jax.jit(lambda: state.initial_state(without_data(config)))()
    compiled = jax.jit(make_train_step(without_data(config)), donate_argnums=0)

    def step():
        nonlocal now
        now, metrics = compiled(now, batch)
        jax.block_until_ready((now, metrics))

    return step


def theirs(args, batch) -> dict:
    import torch
    from transformers import BertConfig, BertForPreTraining

    def make(gathered: bool):
        model = BertForPreTraining(
            BertConfig(
                vocab_size=args.vocabulary,
                hidden_size=args.hidden,
                num_hidden_layers=args.layers,
                num_attention_heads=args.hidden // 64,
                intermediate_size=4 * args.hidden,
                max_position_embeddings=args.length,
            )
        ).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        tensors = {
            name: torch.from_numpy(x.astype(np.int64))
            for name, x in batch.items()
            if x.dtype == np.int32
        }
        inputs = dict(
            input_ids=tensors["input_ids"],
            token_type_ids=tensors["token_type_ids"],
            attention_mask=tensors["segment_ids"],
        )
        unlabelled = torch.full((args.batch, args.length), -100)
        labels = unlabelled.scatter(1, tensors["masked_positions"], tensors["masked_ids"])
        entropy = torch.nn.functional.cross_entropy

        def step():
            if gathered:
                encoded = model.bert(**inputs)
                index = tensors["masked_positions"][..., None].expand(-1, -1, args.hidden)
                logits, nsp = model.cls(
                    encoded.last_hidden_state.gather(1, index), encoded.pooler_output
                )
                loss = entropy(logits.flatten(0, 1), tensors["masked_ids"].flatten())
                loss = loss + entropy(nsp, tensors["next_sentence_labels"][:, 0])
            else:
                loss = model(
                    **inputs,
                    labels=labels,
                    next_sentence_label=tensors["next_sentence_labels"][:, 0],
                ).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

        return step

    return {"PyTorch": make(False), "PyTorch, gathered positions": make(True)}


if __name__ == "__main__":
    main()
