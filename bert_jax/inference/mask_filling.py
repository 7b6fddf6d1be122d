"""Filling of [MASK] with the tokens that a model expects there."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from bert_jax.errors import UserError
from bert_jax.model.bert import Bert
from bert_jax.text.vocabulary import CONTINUATION, MASK, Vocabulary


class Candidate(NamedTuple):
    """A token for a [MASK].

    Attributes:
        token: as it stands in the vocabulary.
        score: its probability, from 0 to 1.
        text: the text with the token in the place of this [MASK]; others stay.
    """

    token: str
    score: float
    text: str


def check_fills_masks(path: str, heads: Sequence[str], causal: bool) -> None:
    """Raises a UserError unless a model predicts masked tokens.

    Args:
        path: names the checkpoint in errors.
        heads: names of its heads.
        causal: attention is causal, so that a mask sees only the tokens before it.
    """
    if "mlm" not in heads or causal:
        heads_found = f"heads: {', '.join(heads) or 'none'}"
        raise UserError(
            f"{path} cannot fill masks",
            found="a causal model" if causal else heads_found,
            expected="a bidirectional model with the head 'mlm', as pretraining leaves it",
            hint="the checkpoint that this one was fine-tuned from",
        )


def check_masks(text: str, positions: int, name: str) -> int:
    """Returns the number of masks in a text.

    Args:
        text: the text.
        positions: number of masks that are left of it after it was cut to the model's length.
        name: names the text in errors.

    Raises:
        UserError: there is none, or the model does not see all of them.
    """
    count = text.count(MASK)
    if not count:
        raise UserError(
            f"{name} has no {MASK}",
            found=repr(text)[:80],
            expected=f"a text with {MASK} where a token is to be filled in",
            hint=f"'Paris is the {MASK} of France.'",
        )
    if positions < count:
        raise UserError(
            f"{name} is too long",
            found=f"{count - positions} of {count} {MASK} behind its last token that is read",
            expected=f"every {MASK} among the tokens that the model reads",
            hint="a shorter text, or a greater length if the model has more positions",
        )
    return count


def candidates(
    text: str, probabilities: np.ndarray, ids: np.ndarray, vocabulary: Vocabulary
) -> list[list[Candidate]]:
    """Returns the candidates for each mask of a text, in the order of the masks.

    Args:
        text: the text, with `masks` masks.
        probabilities: float32 `[masks, top_k]`, falling.
        ids: int32 `[masks, top_k]`, the tokens that have these probabilities.
        vocabulary: gives the tokens.
    """
    result: list[list[Candidate]] = []
    for mask, scores, of_mask in zip(
        re.finditer(re.escape(MASK), text), probabilities, ids, strict=True
    ):
        tokens = [vocabulary.tokens[id] for id in of_mask]
        result.append(
            [
                Candidate(token, float(score), filled(text, mask.span(), token))
                for token, score in zip(tokens, scores, strict=True)
            ]
        )
    return result


def filled(text: str, span: tuple[int, int], token: str) -> str:
    """Returns a text with a token in the place of the characters of `span`.

    A token that continues a word is joined to the word before it.
    """
    before, after = text[: span[0]], text[span[1] :]
    if token.startswith(CONTINUATION) and before.strip():
        return before.rstrip() + token.removeprefix(CONTINUATION) + after
    return before + token + after


def check_top_k(top_k: int, vocabulary: Sequence[str]) -> None:
    """Raises a ValueError unless so many candidates can be given."""
    if not 1 <= top_k <= len(vocabulary):
        raise ValueError(f"top_k is {top_k}; expected 1 to {len(vocabulary)}, the tokens there are")


def most_probable(
    bert: Bert, known: int, params: dict, batch: dict[str, jax.Array], *, top_k: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the probabilities and ids `[rows, predictions, top_k]` of the most probable tokens
    among the first `known`."""
    outputs: Any = bert.apply({"params": params}, batch)
    return jax.lax.top_k(jax.nn.softmax(outputs["mlm"])[..., :known], top_k)
