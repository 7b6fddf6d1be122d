"""The first and the last token of an answer, or twice [CLS] where there is none (Devlin et al.,
2018, sections 4.2 and 4.3).

Each is a choice among the tokens of its example, [CLS] and question among them; padding is none,
which in Google's and Hugging Face's code is a choice too.
"""

import jax
import jax.numpy as jnp

from bert_jax.objectives.terms import Terms, choice

HEAD = "span"


def weight(batch: dict) -> jax.Array:
    """Examples in the batch."""
    return batch["example_weights"].sum()


def terms(logits: jax.Array, batch: dict) -> Terms:
    """Sums over the examples of the mean over both ends; `logits` `[rows, length, 2]`."""
    examples = jnp.arange(1, batch["example_weights"].shape[1] + 1)
    own = batch["segment_ids"][:, None, :] == examples[:, None]  # [rows, examples, length]
    of_ends = jnp.swapaxes(logits, 1, 2).astype(jnp.float32)[:, None]  # [rows, 1, 2, length]
    masked = jnp.where(own[:, :, None], of_ends, jnp.finfo(jnp.float32).min)
    return choice(masked, batch["labels"], batch["example_weights"][..., None] / 2)
