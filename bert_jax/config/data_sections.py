"""Sections of a recipe about data: corpus, tokenizer, token store, task, instances and masks."""

from dataclasses import dataclass

from bert_jax.config.keys import Options, key, selected, selector


@dataclass(frozen=True)
class CorpusConfig:
    name: str = key(
        "", "TFDS name of the corpus, such as 'wikipedia/20230601.en' or one made by `prepare`"
    )
    mixture: tuple = key(
        (),
        "Several corpora instead of `name`: (name, amount) each, or (name, amount, {key: value}) "
        "with values of this section's keys for that corpus alone",
        example="(('wikipedia/20230601.en',1.0),('pg19',2.0,{'text_feature':'book_text'}))",
    )
    mixing: str = key(
        "epochs",
        "Meaning of the amounts in `mixture`: passes over the corpus in an epoch of the mixture "
        "(epochs); share of the examples, up to a common factor (weights); or a factor of the "
        "share that `smoothing` gives the corpus (smoothed)",
        choices=("epochs", "weights", "smoothed"),
    )
    smoothing: float = key(
        0.7,
        "Exponent of each corpus's share of the examples with mixing=smoothed; below 1 it raises "
        "the share of small corpora",
    )
    data_dir: str = key(
        "", "TFDS data directory that contains the corpus; empty: TFDS's default", free=True
    )
    train_split: str = key(
        "train", "TFDS split to train on, which may be a slice such as 'train[:99%]'"
    )
    held_out_split: str = key(
        "validation",
        "TFDS split for held-out evaluation; its documents are removed from the training split",
    )
    text_feature: str = key("text", "Feature that contains the text of a document")
    cleaning: str = key(
        "auto",
        "Rule that removes lists, tables and headings from documents, as the paper did for "
        "Wikipedia; auto: chosen by the name of the corpus",
        choices=("auto", "none", "wikipedia", "wiki40b"),
    )
    sentences: str = key(
        "split",
        "Source of sentence boundaries: rules that split the text, or its line breaks",
        choices=("split", "lines"),
    )
    language: str = key("en", "ISO 639-1 code of the language whose rules split sentences")


@dataclass(frozen=True)
class TokenizerConfig:
    vocab_file: str = key(
        "",
        "Vocabulary file with one token per line, as Google's vocab.txt; "
        "empty: train a vocabulary on the corpus",
        free=True,
    )
    vocab_size: int = key(
        8192,
        "Number of entries of the vocabulary that is trained if vocab_file is empty",
        at_least=1,
    )
    vocab_documents: int = key(
        0, "Number of documents, evenly spaced, to train the vocabulary on; 0: all"
    )
    vocab_characters: int = key(
        1000,
        "Number of most frequent characters in a trained vocabulary; all others become [UNK]",
        at_least=1,
    )
    rules: str = key(
        "google",
        "Rules that split text into words: Google's, or those of Hugging Face's Python tokenizer, "
        "which also removes private and unassigned characters and applies NFC",
        choices=("google", "huggingface"),
    )
    lowercase: bool = key(
        True, "Lower-case the text, as uncased models need it; see `accents` as well"
    )
    accents: str = key(
        "with_case",
        "Remove accents only if the text is lower-cased (with_case), always (strip), or never "
        "(keep); Hugging Face's strip_accents of null, true and false",
        choices=("with_case", "strip", "keep"),
    )
    split_cjk: bool = key(
        True,
        "Treat each Chinese character as a word; Hugging Face's tokenize_chinese_chars",
    )
    max_chars_per_word: int = key(
        200,
        "Replace words with more characters by [UNK] (Google's code: 200, Hugging Face: 100)",
        at_least=1,
    )


@dataclass(frozen=True)
class StoreConfig:
    dir: str = key("", "Directory of the token store; empty: WORKDIR/store", free=True)
    workers: int = key(
        0, "Number of processes that tokenise the corpus; 0: one per core", free=True
    )


@dataclass(frozen=True)
class TaskConfig:
    name: str = key(
        "",
        "TFDS name of a labelled data set, such as 'glue/mrpc' or one made by `prepare`; "
        "empty: train on the corpus",
    )
    data_dir: str = key(
        "", "TFDS data directory that contains the data set; empty: TFDS's default", free=True
    )
    train_split: str = key("train", "TFDS split to train on, which may be a slice")
    validation_splits: tuple = key(
        (),
        "TFDS splits to evaluate on; the first one selects the best model. Empty: those of the "
        "GLUE task, or validation",
        items=str,
        example="validation_matched,validation_mismatched",
    )
    text: str = key(
        "", "Feature that contains the text, or the first text of a pair; empty: inferred"
    )
    text_pair: str = key("", "Feature that contains the second text of a pair; empty: inferred")
    label: str = key("", "Feature that contains the label; empty: inferred")
    folds: int = key(
        0,
        "Number of folds for cross-validation on train_split, stratified by class: one fold is "
        "evaluated on, the others are trained on; 0: no cross-validation",
        at_least=2,
        special=(0,),
    )
    fold: int = key(0, "Index of the fold to evaluate on, from 0")
    metrics: tuple = key(
        (),
        "Metrics to report, whose mean selects the best model (for entities and answers to "
        "questions, the first alone does); empty: those of the GLUE task, or the usual ones for "
        "the kind of label",
        items=str,
        example="accuracy,f1",
    )
    length: int = key(
        128,
        "Maximum number of tokens of an example, special tokens included (of each choice, in "
        "multiple-choice tasks). Longer texts are truncated; sequences to tag and contexts of "
        "questions are split into windows instead",
        at_least=5,
    )
    context: str = key(
        "sentence",
        "Extent of the windows of a tagging task: one sentence, or the whole document",
        choices=("sentence", "document"),
    )
    stride: int = key(
        0,
        "Number of tokens by which successive windows are apart, or overlap, as stride_is says; 0: "
        "128 over contexts of questions, as in Google's code, and half a window over words to tag",
    )
    stride_is: str = key(
        "step",
        "Meaning of `stride`: the distance between the starts of two windows (Google's code), or "
        "their overlap (Hugging Face)",
        choices=("step", "overlap"),
    )
    max_question_length: int = key(
        64,
        "Maximum number of tokens of a question about a context; longer ones are truncated",
        at_least=1,
    )
    max_answer_length: int = key(30, "Maximum number of tokens of an answer", at_least=1)
    n_best: int = key(20, "Number of candidate answers to keep for each question", at_least=1)
    null_threshold: float = key(
        0.0,
        "Predict 'no answer' if its score exceeds the best span's by more than this (SQuAD 2.0); "
        "evaluate.py replaces 0 by the threshold that scored best in the run",
    )
    row_counts: int = key(
        2,
        "Number of different batch shapes to compile; more shapes need less padding",
        at_least=1,
        free=True,
    )
    cache_dir: str = key("", "Directory of the tokenised task; empty: WORKDIR/task", free=True)


@dataclass(frozen=True)
class InstancesConfig:
    kind: str = key(
        "segment_pair",
        "Content of a row: a pair of segments, as in Google's code, or of single sentences, for "
        "NSP; a pair of segments in order or swapped, for SOP (sentence_order); or sentences up to "
        "the length, which may continue in the next document (full_sentences) or may not "
        "(doc_sentences)",
        choices=(
            "segment_pair",
            "sentence_pair",
            "sentence_order",
            "full_sentences",
            "doc_sentences",
        ),
    )
    length: int = key(128, "Number of tokens in a row, special tokens included", at_least=5)
    phases: tuple = key(
        (),
        "Phases of the run, each (length, batch size, steps), whose steps add up to train.steps; "
        "empty: a single phase with `length` and train.batch_size",
        example="((128,256,900000),(512,256,100000))",
    )
    short_rate: float = key(
        0.1, "Share of documents whose instances have a random shorter target length", at_most=1
    )
    random_next_rate: float = key(
        0.5, "Share of instances whose second segment comes from another document", at_most=1
    )
    duplicates: int = key(
        0,
        "Number of fixed versions of the instances and their masks, used in turn (dupe_factor in "
        "Google's code, there 10); 0: new instances and masks in each epoch",
    )


@dataclass(frozen=True)
class MaskingConfig:
    scheme: str = selector(
        "tokens",
        "Unit of prediction: single tokens, whole words, or spans of words (SpanBERT)",
    )
    rate: float = key(
        0.15,
        "Share of a row's tokens, special tokens included in the count, that is predicted",
        above=0,
        below=1,
    )
    draw: str = key(
        "exact",
        "Predict exactly that share of each row (Google's code), or select each token or word "
        "independently (Hugging Face's collator); then rows differ, and max_predictions must "
        "leave room",
        choices=("exact", "independent"),
    )
    max_predictions: int = key(20, "Maximum number of predictions per row", at_least=1)
    mask_share: float = key(0.8, "Share of predicted tokens that is replaced by [MASK]", at_most=1)
    random_share: float = key(
        0.1,
        "Share of predicted tokens that is replaced by a random token; the rest is kept as it is",
        at_most=1,
    )
    final_rate: float = key(
        0.0,
        "Masking rate at the last step, reached linearly from `rate`; held-out text keeps `rate`. "
        "0: constant rate",
        below=1,
    )
    options: Options = selected()
