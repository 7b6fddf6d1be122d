"""Tiny models with random parameters, as checkpoints of ours."""

import dataclasses
from pathlib import Path

import jax

from bert_jax.checkpoint.formats import convert, open_pretrained
from bert_jax.checkpoint.pretrained import shapes
from bert_jax.model.bert import initial_params
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

GOLDEN = Path(__file__).parents[1] / "bert_jax" / "verification" / "golden" / "bert"


def write_model(
    path: Path, heads: tuple[str, ...], words: tuple[str, ...] = (), **attributes
) -> None:
    """Writes a converted checkpoint of the architecture of `GOLDEN`.

    Args:
        path: a directory that does not exist.
        heads: names of its heads.
        words: tokens of its vocabulary after the special ones; empty: those of `GOLDEN`.
        attributes: others of `Pretrained`, such as `labels` and `kind`.
    """
    golden = open_pretrained(GOLDEN)
    vocabulary = Vocabulary((*SPECIAL_TOKENS, *words)) if words else golden.vocabulary
    model = dataclasses.replace(
        golden.model,
        vocab_size=len(vocabulary),
        num_labels=len(attributes.get("labels", ())),
        initializer_range=0.1,
    )
    pretrained = dataclasses.replace(
        golden,
        format="orbax",
        model=model,
        heads=heads,
        vocabulary=vocabulary,
        names={name: name for name in shapes(model, heads)},
        read=lambda: jax.device_get(initial_params(model, heads, jax.random.key(0))),
        origin={},
        **attributes,
    )
    convert(pretrained, path, "orbax")
