"""Left-to-right language modelling: each token from those before it (Devlin et al., 2018, section
5.1, "LTR").

It reads the MLM head, at every position: a batch then predicts, at each token, the one that
    follows.
"""

from bert_jax.objectives.mlm import HEAD, terms, weight

__all__ = ["HEAD", "terms", "weight"]
