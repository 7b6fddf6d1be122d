"""Sentence-order prediction (Lan et al., 2019, section 3.1): 0 is the order of the text, 1 the
other one.

It reads NSP's head: two scores of the pooled output.
"""

from bert_jax.objectives.nsp import HEAD, terms, weight

__all__ = ["HEAD", "terms", "weight"]
