"""Makes the golden files: what Hugging Face's PyTorch BERT computes from random weights, for tests
without PyTorch.

    python -m tests.golden.make

in an environment with `requirements-parity.txt`. The seed is fixed; another version of PyTorch may
change last digits.
"""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from pytorch_pretrained_bert.optimization import BertAdam

from tests.golden.batches import LENGTH, VOCAB, batch

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "bert_jax" / "verification" / "golden"  # read by `verify` too
STEPS, WARMUP = 200, 20
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOKENS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *(f"w{i}" for i in range(VOCAB - 57)),
]
CONFIG = dict(
    vocab_size=VOCAB,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=LENGTH,
    initializer_range=0.1,
)


def main() -> None:
    model = random_model(transformers.BertForPreTraining, seed=0)
    directory = SHIPPED / "bert"
    model.save_pretrained(directory)
    (directory / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    (directory / "tokenizer_config.json").write_text(
        json.dumps(dict(tokenizer_class="BertTokenizer"))
    )
    # What is pickled has no duplicates here either, so that the two formats hold the same tensors.
    state = {name: x for name, x in model.state_dict().items() if "decoder" not in name}
    torch.save(state, HERE / "zip.bin")
    torch.save(state, HERE / "sequence.bin", _use_new_zipfile_serialization=False)
    first = batch(seed=0)
    np.savez_compressed(SHIPPED / "outputs.npz", **first, **outputs_and_gradients(model, first))
    (HERE / "trajectories.json").write_text(
        json.dumps({name: trajectory(make, STEPS) for name, make in OPTIMIZERS.items()}, indent=1)
        + "\n"
    )


def random_model(cls, seed: int, **config):
    """A model in which no parameter is at 0 or 1, where a mistake would not show."""
    torch.manual_seed(seed)
    model = cls(transformers.BertConfig(**CONFIG | config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model


def inputs(batch: dict) -> dict:
    """The same for `transformers`."""
    return dict(
        input_ids=torch.tensor(batch["input_ids"]).long(),
        token_type_ids=torch.tensor(batch["token_type_ids"]).long(),
        attention_mask=torch.tensor(batch["segment_ids"]).long(),
    )


def targets(batch: dict) -> dict:
    """Labels of masked language modelling and next-sentence prediction for `transformers`."""
    labels = torch.full(batch["input_ids"].shape, -100)
    rows, places = np.nonzero(batch["masked_weights"])
    labels[rows, batch["masked_positions"][rows, places]] = torch.tensor(
        batch["masked_ids"][rows, places]
    ).long()
    return dict(
        labels=labels, next_sentence_label=torch.tensor(batch["next_sentence_labels"][:, 0]).long()
    )


def outputs_and_gradients(model, batch: dict) -> dict[str, np.ndarray]:
    model.zero_grad()
    found = model(**inputs(batch), **targets(batch), output_hidden_states=True)
    found.loss.backward()
    pooled = model.bert(**inputs(batch)).pooler_output
    expected = dict(
        hidden_states=torch.stack(found.hidden_states),
        pooled=pooled,
        mlm=found.prediction_logits,
        nsp=found.seq_relationship_logits,
        loss=found.loss,
    )
    expected |= {f"gradient/{name}": p.grad for name, p in model.named_parameters()}
    return {name: x.detach().numpy() for name, x in expected.items()}


def adamw(groups):
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, WARMUP, STEPS)
    return optimizer, schedule.step


def bert_adam(groups):
    # It clips each parameter by itself, as nobody trained BERT, unless it is told not to.
    return BertAdam(
        groups, lr=1e-3, warmup=WARMUP / STEPS, t_total=STEPS, max_grad_norm=-1, weight_decay=0.01
    ), None


OPTIMIZERS = {"adamw": adamw, "bert_adam": bert_adam}


def trajectory(make, steps: int, clip_norm: float = 0.0) -> list[float]:
    """Losses of training on one batch after another without dropout, from the weights of
    `random_model`."""
    model = random_model(transformers.BertForPreTraining, seed=0)
    return [loss for loss, _ in train(model, make, steps, clip_norm)]


def train(model, make, steps: int, clip_norm: float = 0.0):
    """Yields the loss of each step before its update, and the model after it."""
    decays = {True: [], False: []}
    for name, parameter in model.named_parameters():
        decays[not name.endswith("bias") and "LayerNorm" not in name].append(parameter)
    optimizer, advance = make(
        [dict(params=decays[True]), dict(params=decays[False], weight_decay=0.0)]
    )
    for step in range(steps):
        of_step = batch(seed=1000 + step)
        loss = model(**inputs(of_step), **targets(of_step)).loss
        optimizer.zero_grad()
        loss.backward()
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        optimizer.step()
        if advance:
            advance()
        yield loss.item(), model


if __name__ == "__main__":
    main()
