import dataclasses

import pytest

from bert_jax.config import Config, CorpusConfig, TokenizerConfig
from bert_jax.corpus.corpora import open_split
from bert_jax.corpus.known import check_order, cleaning_of
from bert_jax.corpus.store_building import open_or_build, settings
from bert_jax.errors import UserError
from bert_jax.importers import dataset
from bert_jax.text.vocabulary import SPECIAL_TOKENS, Vocabulary

ARTICLE = "_START_ARTICLE_\nAshford\n_START_PARAGRAPH_\nA town in Kent._NEWLINE_It is old.\n"


@pytest.mark.parametrize(
    "name, cleaning",
    [
        ("wikipedia/20230601.en", "wikipedia"),
        ("wikipedia:1.0.0", "wikipedia"),
        ("wiki40b/de", "wiki40b"),
        ("c4/en", "none"),
        ("wikipedia_toxicity_subtypes", "none"),
    ],
)
def test_what_suits_a_data_set(name, cleaning):
    assert cleaning_of(CorpusConfig(name=name)) == cleaning
    assert cleaning_of(CorpusConfig(name=name, cleaning="none")) == "none"


def test_documents_are_read_clean_and_the_store_says_so(tmp_path):
    dataset.write(
        [("train", ARTICLE), ("validation", ARTICLE)],
        name="articles",
        data_dir=str(tmp_path),
        description="",
        recipe={},
    )
    corpus = CorpusConfig(name="articles", data_dir=str(tmp_path), cleaning="wiki40b")
    assert open_split(corpus, "train").texts(0, 1) == ["A town in Kent.\n\nIt is old."]
    as_it_is = dataclasses.replace(corpus, cleaning="none")
    assert open_split(as_it_is, "train").texts(0, 1) == [ARTICLE]
    vocabulary = Vocabulary((*SPECIAL_TOKENS, "a", "town", "in", "kent", ".", "it", "is", "old"))
    store = open_or_build(
        tmp_path / "store", corpus, "train", TokenizerConfig(), vocabulary, 1, progress=False
    )
    assert [vocabulary.tokens[i] for i in store.tokens] == "a town in kent . it is old .".split()
    assert settings(as_it_is, "train", TokenizerConfig(), vocabulary)["cleaning"] is None
    with pytest.raises(UserError, match="cleaning"):
        open_or_build(
            tmp_path / "store", as_it_is, "train", TokenizerConfig(), vocabulary, 1, progress=False
        )


@pytest.mark.parametrize(
    "objectives, refused", [(("mlm", "nsp"), True), (("mlm", "sop"), True), (("mlm",), False)]
)
@pytest.mark.parametrize(
    "corpus", [CorpusConfig(name="lm1b"), CorpusConfig(mixture=(("c4/en", 1), ("lm1b/plain", 1)))]
)
def test_shuffled_sentences_teach_no_order(corpus, objectives, refused):
    config = dataclasses.replace(Config(), corpus=corpus, objectives=objectives)
    if refused:
        with pytest.raises(UserError, match="lm1b.* cannot teach the objective"):
            check_order(config)
    else:
        check_order(config)
