"""From a token store to batches of pretraining.

Masking schemes are registered here, one file each.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from bert_jax.config import Options
from bert_jax.pretraining import single_tokens, spans, whole_words
from bert_jax.pretraining.rows import Choice, Rows


class MaskingScheme(Protocol):
    """Module of a masking scheme.

    Attributes:
        OPTIONS: dataclass of its own keys, `masking.NAME.KEY` in a recipe.
        NEEDS_WORDS: it reads the `words` of the rows.
    """

    OPTIONS: type[Options]
    NEEDS_WORDS: bool

    def choose(self, rows: Rows, options: Any) -> Choice:
        """Chooses the tokens to predict, which depend on each row and its key alone.

        Args:
            rows: the rows.
            options: its `OPTIONS`.
        """
        ...


MASKING_SCHEMES: Mapping[str, MaskingScheme] = {
    "tokens": single_tokens,
    "whole_words": whole_words,
    "spans": spans,
}
