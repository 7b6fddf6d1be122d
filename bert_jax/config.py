"""Recipes resolved into frozen dataclasses: every key, its default, its meaning and its checks.

A recipe is a Python file whose `get_config()` starts from `recipe()` and changes what it needs:

    from bert_jax.config import recipe

    def get_config():
        config = recipe()
        config.model.num_layers = 4
        return config

`resolve` turns it into a `Config`, which is all that the rest of the code sees. Keys marked free may
differ when a run is resumed; any other difference is refused, since the run would not be the same run.
"""

import dataclasses
import typing
from collections.abc import Collection
from dataclasses import dataclass, field, fields

import ml_collections

from bert_jax.config_checks import at, build, check
from bert_jax.errors import UserError, nearest


def key(default, help: str, *, choices: tuple | None = None, free: bool = False):
    """A key of a recipe: its default, its meaning, the values it may take, and whether a resume may change it."""
    return field(default=default, metadata=dict(help=help, choices=choices, free=free))


def section(cls, help: str):
    """A section of a recipe."""
    return field(default_factory=cls, metadata=dict(help=help))


@dataclass(frozen=True)
class CorpusConfig:
    name: str = key("", "TFDS name of the corpus: 'wikipedia/20230601.en', or one made by `prepare`")
    mixture: tuple = key((), "several corpora instead of `name`: (name, amount) each, or (name, amount, {key: value}) "
                         "with values of this section's keys for it alone")
    mixing: str = key("epochs", "what an amount is: passes over a corpus in an epoch of the mixture; a weight, from "
                      "which its share of the examples follows; or a factor of its smoothed share of them",
                      choices=("epochs", "weights", "smoothed"))
    smoothing: float = key(0.7, "power of the shares of examples when smoothed: small corpora count more below 1")
    data_dir: str = key("", "TFDS data directory that holds it; empty: TFDS's own default", free=True)
    train_split: str = key("train", "TFDS split to learn from, slices included: 'train[:99%]'")
    held_out_split: str = key("validation", "TFDS split to evaluate on; none of its documents is learned from")
    text_feature: str = key("text", "the feature that holds a document's text")
    cleaning: str = key("auto", "what is left out of documents: of Wikipedia's all but running text, as in the paper; "
                        "auto: what suits the data set by its name", choices=("auto", "none", "wikipedia", "wiki40b"))
    sentences: str = key("split", "how a document becomes sentences: split by rules, or one a line",
                         choices=("split", "lines"))
    language: str = key("en", "ISO 639-1 code of the language whose rules split sentences")


@dataclass(frozen=True)
class TokenizerConfig:
    vocab_file: str = key("", "a vocabulary, one token a line as Google's vocab.txt; empty: one is trained on the "
                          "corpus", free=True)
    vocab_size: int = key(8192, "entries of the vocabulary that is trained when vocab_file is empty")
    vocab_documents: int = key(0, "documents, spread evenly, on which it is trained; 0: all")
    vocab_characters: int = key(1000, "most frequent characters that it knows; the rest are [UNK]")
    rules: str = key("google", "whose code says what is a word: Google's, or Hugging Face's in Python, which also "
                     "drops private and unassigned characters and composes the rest (NFC)",
                     choices=("google", "huggingface"))
    lowercase: bool = key(True, "uncased: lower-case the text, and strip its accents unless told otherwise")
    accents: str = key("with_case", "strip accents when lower-casing, always or never: strip_accents null, true or "
                       "false in Hugging Face's", choices=("with_case", "strip", "keep"))
    split_cjk: bool = key(True, "every Chinese character is a word; tokenize_chinese_chars in Hugging Face's")
    max_chars_per_word: int = key(200, "a longer word becomes [UNK]: 200 in Google's code, 100 in Hugging Face's")


@dataclass(frozen=True)
class StoreConfig:
    dir: str = key("", "directory of the token store; empty: WORKDIR/store", free=True)
    workers: int = key(0, "processes that tokenise; 0: one a core", free=True)


@dataclass(frozen=True)
class TaskConfig:
    name: str = key("", "TFDS name of a labelled data set: 'glue/mrpc', or one made by `prepare`; empty: there is no "
                    "task, the run learns from the corpus")
    data_dir: str = key("", "TFDS data directory that holds it; empty: TFDS's own default", free=True)
    train_split: str = key("train", "TFDS split to learn from, slices included")
    validation_splits: tuple = key((), "splits to score on, the first of which counts; empty: those of GLUE's task, "
                                   "'validation' of others")
    text: str = key("", "the feature that holds the text, or the first of a pair; empty: inferred")
    text_pair: str = key("", "the feature that holds the second text of a pair; empty: inferred")
    label: str = key("", "the feature that holds the label; empty: inferred")
    folds: int = key(0, "cross-validation: parts of train_split, of which one is scored on and the others are learned "
                     "from; classes have their shares in each; 0: none")
    fold: int = key(0, "the part that is scored on, from 0")
    metrics: tuple = key((), "metrics, the mean of which counts, of entities and answers the first; empty: GLUE's own, "
                         "or what suits the kind of label")
    length: int = key(128, "most tokens of an example, special tokens included; longer texts lose their end, but of "
                      "words to tag and of contexts of questions there are several windows; with choices, of each of "
                      "them")
    context: str = key("sentence", "of words to tag, what a window is over: a sentence, or all sentences of a document",
                       choices=("sentence", "document"))
    stride: int = key(0, "tokens by which windows follow each other; 0: 128 over contexts, as Google's code; half of "
                      "a window over words")
    stride_is: str = key("step", "what stride counts: from one window's first token to the next one's (Google), or "
                         "what two windows share (Hugging Face)", choices=("step", "overlap"))
    max_question_length: int = key(64, "most tokens of a question about a context; longer ones lose their end")
    max_answer_length: int = key(30, "most tokens of an answer")
    n_best: int = key(20, "answers to a question that are kept, the best one among them")
    null_threshold: float = key(0.0, "by how much no answer must score better than the best one to be what is "
                                "predicted, where there may be none; evaluate.py takes for 0 what the run found to be "
                                "best")
    row_counts: int = key(2, "numbers of rows in which batches may come: each is compiled, and more of them are padded "
                          "less", free=True)
    cache_dir: str = key("", "directory of the tokenised task; empty: WORKDIR/task", free=True)


@dataclass(frozen=True)
class InstancesConfig:
    kind: str = key("segment_pair", "what a row is: Google's pair of segments, or one of single sentences, for NSP; a "
                    "pair in or out of order, for SOP; or whole sentences up to the length, which go on in the next "
                    "document or do not",
                    choices=("segment_pair", "sentence_pair", "sentence_order", "full_sentences", "doc_sentences"))
    length: int = key(128, "tokens of a row, special tokens included")
    phases: tuple = key((), "phases of the run, (length, batch size, steps) each, whose steps make train.steps; "
                        "empty: one, of length and train.batch_size")
    short_rate: float = key(0.1, "share of documents that are cut to a random shorter target length")
    random_next_rate: float = key(0.5, "share of instances whose second segment is from another document")
    duplicates: int = key(0, "0: fresh instances and masks each epoch; N: N fixed versions in turn (Google: 10)")


@dataclass(frozen=True)
class MaskingConfig:
    rate: float = key(0.15, "share of a row's tokens, special tokens counted, that is predicted")
    draw: str = key("exact", "predict exactly that share of a row (Google's code), or draw for each token or word by "
                    "itself (Hugging Face's collator): rows then differ, and max_predictions has to leave room for it",
                    choices=("exact", "independent"))
    max_predictions: int = key(20, "most predictions of a row")
    mask_share: float = key(0.8, "share of predicted tokens that is replaced by [MASK]")
    random_share: float = key(0.1, "share of predicted tokens that is replaced by a random token; the rest is kept")
    whole_word: bool = key(False, "predict whole words rather than single word-pieces")
    span_p: float = key(0.0, "predict spans of whole words, of geometric lengths with this parameter (SpanBERT: 0.2); "
                        "0: no spans")
    span_longest: int = key(10, "words of the longest span")
    final_rate: float = key(0.0, "rate at the last step, to which it goes from `rate` in a line; held-out text keeps "
                            "`rate`; 0: the same all along")


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int = key(0, "rows of the word table, at least one for each token; 0: as many as there are tokens")
    hidden_size: int = key(768, "width of the residual stream")
    num_layers: int = key(12, "encoder layers")
    num_heads: int = key(12, "attention heads; divides hidden_size")
    intermediate_size: int = key(3072, "width of the feed-forward layer")
    max_position_embeddings: int = key(512, "learned positions; the longest row")
    type_vocab_size: int = key(2, "token types")
    activation: str = key("gelu_tanh", "GELU by tanh (Google's code) or exact, by erf (Hugging Face)",
                          choices=("gelu_tanh", "gelu_erf", "relu"))
    hidden_dropout: float = key(0.1, "dropout after the embeddings and every sub-layer")
    attention_dropout: float = key(0.1, "dropout of attention probabilities")
    classifier_dropout: float = key(0.1, "dropout before a head that classifies examples, tokens or choices")
    layer_norm_epsilon: float = key(1e-12, "epsilon of LayerNorm")
    initializer: str = key("truncated_normal", "weights begin as a normal cut off at two deviations (Google's code) or "
                           "a whole one (Hugging Face)", choices=("truncated_normal", "normal"))
    initializer_range: float = key(0.02, "deviation of that normal, before it is cut off")
    causal: bool = key(False, "a token attends to none after it, and the pooler reads an example's last one: for "
                       "left-to-right language modelling")
    pooler: bool = key(True, "the dense layer over [CLS] that heads of whole examples read")
    num_labels: int = key(0, "outputs of a head that classifies examples or tokens; 0: there is no such head")
    features: str = key("", "the feature-based approach: BERT stays as it is, and what these of its layers say is read "
                        "by a BiLSTM, to which a head of tokens belongs; empty: BERT is fine-tuned",
                        choices=("", "embeddings", "second_to_last", "last", "weighted_last_four", "concat_last_four",
                                 "weighted_all"))
    lstm_layers: int = key(2, "layers of that BiLSTM")
    lstm_size: int = key(768, "its width, in each direction")


@dataclass(frozen=True)
class OptimizerConfig:
    name: str = key("bert_adam", "Google's Adam without bias correction; AdamW; or LAMB, AdamW with updates as large "
                    "as their parameters", choices=("bert_adam", "adamw", "lamb"))
    learning_rate: float = key(1e-4, "peak learning rate")
    b1: float = key(0.9, "decay of the first moment")
    b2: float = key(0.999, "decay of the second moment")
    epsilon: float = key(1e-6, "added to the root of the second moment")
    weight_decay: float = key(0.01, "decoupled weight decay, multiplied by the learning rate")
    decay_exclude: tuple = key((r"/bias$", r"layer_norm/scale$"), "regular expressions of parameters that do not decay")
    trust_exclude: tuple = key((r"/bias$", r"layer_norm/scale$"), "regular expressions of parameters whose updates "
                               "LAMB leaves as they are (Google's code: those that do not decay; the paper: none)")
    layer_decay: float = key(1.0, "learning rate of each layer of the encoder as a share of that of the one above it, "
                             "the embeddings' of the first one's; 1: all alike")
    frozen: tuple = key((), "regular expressions of parameters that stay as they are, r'^/bert/' those of the encoder")
    ema_decay: float = key(0.0, "decay of a moving average of the parameters, which is then what is scored, saved as "
                           "the model and kept; 0: none")
    clip_norm: float = key(1.0, "largest norm of the gradient, over all parameters; 0: no clipping")
    warmup_steps: int = key(10_000, "steps of linear warm-up")
    warmup_share: float = key(0.0, "share of the steps that is warm-up instead, rounded down; 0: warmup_steps counts")
    decay: str = key("linear", "how the learning rate falls: linear; as a power of that line; as half a cosine; not at "
                     "all until the last share of the steps and then linear; or not at all",
                     choices=("linear", "polynomial", "cosine", "stable", "constant"))
    decay_power: float = key(0.5, "of a polynomial decay")
    decay_share: float = key(0.1, "share of the steps, the last, in which a stable learning rate falls")
    final_share: float = key(0.0, "learning rate at the last step as a share of the peak; all but constant fall to it")
    decay_start: str = key("zero", "where the decay line starts: step 0 (Google's code, which drops a little when "
                           "warm-up ends) or the end of warm-up (Hugging Face)", choices=("zero", "warmup"))


@dataclass(frozen=True)
class TrainConfig:
    steps: int = key(1_000_000, "optimiser steps of the whole run; the schedule ends there")
    epochs: float = key(0.0, "passes over the training examples instead; 0: steps counts")
    tokens: float = key(0.0, "as many steps as this many tokens make, padding among them; 0: steps counts")
    flops: float = key(0.0, "as many steps as this many operations of the model's matrix products pay for; 0: steps "
                       "counts")
    batch_size: int = key(256, "examples of a step over all devices")
    accumulation: int = key(1, "parts in which a batch is computed, one after the other, to save memory", free=True)
    replicas: int = key(1, "parts of which each has losses and clipping of its own, their gradients then added up, as "
                        "in Google's code on so many TPU cores; 1: the batch as a whole, whatever the mesh")
    patience: int = key(0, "end the run after so many held-out evaluations in a row without a better score, and keep "
                        "the best step's parameters; 0: train all steps")
    stop_after: int = key(0, "stop cleanly at this step, to be resumed later; 0: run to the end", free=True)
    stop_after_minutes: float = key(0.0, "stop cleanly after so many minutes of training, to be resumed later; 0: run "
                                    "to the end",
                                    free=True)


@dataclass(frozen=True)
class EvaluateConfig:
    seed: int = key(0, "of held-out instances and masks: runs of all seeds score the same examples")
    every: int = key(10_000, "steps between held-out evaluations; 0: only at the end; -1: an epoch", free=True)
    batch_size: int = key(0, "rows of an evaluation step; 0: as many as in training", free=True)
    reference: str = key("", "a file of held-out scores that runs of this recipe have had: a run outside of their band "
                         "is told of; empty: none", free=True)
    max_examples: int = key(0, "held-out examples of each corpus that are scored, chosen once; 0: all", free=True)


@dataclass(frozen=True)
class ProtocolConfig:
    """What evaluate.py fine-tunes: every task with every setting and seed."""

    tasks: tuple = key((), "GLUE's tasks by their short names ('mrpc'), other data sets by their TFDS names; empty: "
                       "evaluate.py fine-tunes nothing and scores held-out text", free=True)
    learning_rates: tuple = key((5e-5, 4e-5, 3e-5, 2e-5), "peak learning rates to try", free=True)
    batch_sizes: tuple = key((32,), "batch sizes to try", free=True)
    epochs: tuple = key((3.0,), "numbers of epochs to try", free=True)
    seeds: int = key(1, "runs of each setting, with the seeds 0, 1, ...", free=True)
    folds: int = key(0, "cross-validation: runs of each seed, each scored on another part of the training split; 0: "
                     "the validation splits are scored on", free=True)
    from_scratch: bool = key(False, "do each run from random parameters too, to see what pretraining is worth",
                             free=True)
    from_mnli: bool = key(False, "start MRPC, RTE and STS-B from the best model of MNLI, which is then tuned first",
                          free=True)
    keep: str = key("best", "of which runs the checkpoints stay: of each task's best one, or of all",
                    choices=("best", "all"), free=True)


@dataclass(frozen=True)
class CheckpointConfig:
    every: int = key(10_000, "steps between checkpoints, -1: an epoch; one is saved at the end all the same", free=True)
    keep: int = key(3, "latest checkpoints to keep", free=True)
    keep_every: int = key(0, "keep checkpoints whose step is a multiple of this for good; 0: none", free=True)


@dataclass(frozen=True)
class LogConfig:
    every: int = key(100, "steps between lines of metrics, each the mean over those steps", free=True)
    tensorboard: bool = key(True, "write TensorBoard events too", free=True)
    profile_after: int = key(0, "trace steps after this one with JAX's profiler, into WORKDIR/profile; 0: none",
                             free=True)
    profile_steps: int = key(3, "how many steps to trace", free=True)


@dataclass(frozen=True)
class ComputeConfig:
    """Implementation settings: they change speed and memory and, but for rounding and dropout's bits, no result."""

    dtype: str = key("float32", "dtype of activations; parameters, softmax and statistics are float32",
                     choices=("float32", "bfloat16"), free=True)
    matmul_precision: str = key("default", "precision of float32 products; 'highest' is exact on TPU and Ampere GPUs",
                                choices=("default", "high", "highest"), free=True)
    prng: str = key("threefry2x32", "generator of dropout: threefry's bits are the same on every mesh; rbg is faster "
                    "and gives that up", choices=("threefry2x32", "rbg", "unsafe_rbg"), free=True)
    scan_layers: bool = key(False, "compile one layer and loop over it: compiles faster, fuses less", free=True)
    remat: str = key("none", "what the backward pass recomputes: nothing, all but matrix products, or all",
                     choices=("none", "dots", "full"), free=True)
    fused_qkv: bool = key(False, "one matrix product for queries, keys and values", free=True)
    vocab_multiple: int = key(1, "the embedding table is padded to a multiple of this, to divide by `tensor`",
                              free=True)
    prefetch: int = key(4, "batches prepared ahead", free=True)
    data_threads: int = key(2, "threads that prepare batches", free=True)


@dataclass(frozen=True)
class MeshConfig:
    slice: int = key(1, "TPU slices joined by their hosts' network, each with its share of the batch", free=True)
    data: int = key(-1, "replicas of the parameters, each with its share of the batch; -1: all that is left", free=True)
    fsdp: int = key(1, "shards of parameters and optimiser state, each also with its share of the batch", free=True)
    tensor: int = key(1, "shards of heads, feed-forward units and vocabulary", free=True)
    context: int = key(1, "reserved for shards of a row's positions; 1 until then", choices=(1,), free=True)
    member: int = key(1, "reserved for members of a population; 1 until then", choices=(1,), free=True)
    rules: tuple = key(
        (
            (r"word_embeddings/embedding$", ("tensor", "fsdp")),
            (r"embeddings/embedding$", (None, "fsdp")),
            (r"(query|key|value|intermediate)/kernel$", ("fsdp", "tensor")),
            (r"(query|key|value|intermediate)/bias$", ("tensor",)),
            (r"qkv/kernel$", ("fsdp", None, "tensor")),
            (r"qkv/bias$", (None, "tensor")),
            (r"(attention|feed_forward)/output/kernel$", ("tensor", "fsdp")),
            (r"(pooler/dense|transform)/kernel$", ("fsdp",)),
            (r"mlm/bias$", ("tensor",)),
            (r".*", ()),
        ),
        "(regular expression of a parameter's path, mesh axes of its dimensions): the first that matches counts",
        free=True,
    )


@dataclass(frozen=True)
class Config:
    """A whole recipe, checked."""

    seed: int = key(0, "of every random choice: initialisation, dropout, instances, masks, order")
    objectives: tuple = key(("mlm", "nsp"), "what is learned of a corpus; the losses are added. Of a task it follows "
                            "from its labels, and what stands here is for preflight, which reads none")
    init_from: str = key("", "start from the parameters of a checkpoint: a run, a Hugging Face directory, or Google's "
                         "bert_model.ckpt; architecture, vocabulary and tokenizer are then its own")
    init_parameters: str = key("all", "which of its parameters to start from: all that this run has too; the "
                               "encoder's, since a head of one task means nothing to another; or none, from scratch",
                               choices=("all", "encoder", "none"))
    init_vocabulary: str = key("same", "if tokenizer.vocab_file is not the checkpoint's vocabulary: refuse it, give "
                               "each token that both know its row, or keep the rows in their order",
                               choices=("same", "by_token", "by_id"))
    corpus: CorpusConfig = section(CorpusConfig, "the text, from TFDS")
    task: TaskConfig = section(TaskConfig, "the labelled data, from TFDS")
    tokenizer: TokenizerConfig = section(TokenizerConfig, "WordPiece and its vocabulary")
    store: StoreConfig = section(StoreConfig, "the tokenised corpus on disk")
    instances: InstancesConfig = section(InstancesConfig, "which sentences make a row")
    masking: MaskingConfig = section(MaskingConfig, "which tokens are predicted")
    model: ModelConfig = section(ModelConfig, "the published architecture")
    optimizer: OptimizerConfig = section(OptimizerConfig, "the update and its schedule")
    train: TrainConfig = section(TrainConfig, "how long, on how much")
    evaluate: EvaluateConfig = section(EvaluateConfig, "held-out evaluation during training")
    protocol: ProtocolConfig = section(ProtocolConfig, "what evaluate.py fine-tunes and compares")
    checkpoint: CheckpointConfig = section(CheckpointConfig, "when the state is saved, and what is kept")
    log: LogConfig = section(LogConfig, "metrics")
    compute: ComputeConfig = section(ComputeConfig, "implementation settings, apart from what is learned")
    mesh: MeshConfig = section(MeshConfig, "devices and how arrays lie on them")


def recipe() -> ml_collections.ConfigDict:
    """All keys at their defaults, locked: a recipe sets known keys to values of their type."""
    return ml_collections.ConfigDict(dataclasses.asdict(Config())).lock()


def resolve(config: ml_collections.ConfigDict) -> Config:
    """A recipe checked and frozen.

    Raises:
        UserError: a key is unknown, of the wrong type or out of its range; it is named.
    """
    return from_dict(config.to_dict())


def to_dict(config: Config) -> dict:
    """The config as plain values that JSON can hold; `from_dict` gives it back."""
    return dataclasses.asdict(config)


def from_dict(values: dict) -> Config:
    """The checked config of nested plain values, such as JSON gives; missing keys take their defaults."""
    config = build(Config, values, unknown_key)
    check(config, key_fields())
    return config


def flat(config: Config) -> dict[str, object]:
    """`{'model.num_layers': 12, ...}`, in the order of the declarations."""
    return {name: at(config, name) for name in key_fields()}


def key_fields() -> dict[str, dataclasses.Field]:
    """Every dotted key with the field that declares it."""
    declared = {}
    for f in fields(Config):
        if dataclasses.is_dataclass(f.type):
            declared.update({f"{f.name}.{g.name}": g for g in fields(f.type)})
        else:
            declared[f.name] = f
    return declared


def resume_differences(before: Config, now: Config) -> list[tuple[str, object, object]]:
    """Keys that a resume may not change and that differ, with the value of the run and the value now."""
    return [
        (name, at(before, name), at(now, name))
        for name, f in key_fields().items()
        if not f.metadata["free"] and at(before, name) != at(now, name)
    ]


# What a model computes without dropout does not depend on these.
ONLY_IN_TRAINING = ("hidden_dropout", "attention_dropout", "classifier_dropout", "initializer", "initializer_range")
# Keys of the model that a recipe decides even if it starts from a checkpoint, whose the architecture is.
RECIPES_OWN = (*ONLY_IN_TRAINING, "pooler", "num_labels", "features", "lstm_layers", "lstm_size")


def without_architecture(recipe: ml_collections.ConfigDict, given: Collection[str]) -> None:
    """Forgets a recipe's architecture, since a checkpoint brings its own, but for the keys in `given`."""
    for f in fields(ModelConfig):
        if f.name not in RECIPES_OWN and f"model.{f.name}" not in given:
            recipe.model[f.name] = f.default


def with_vocabulary(config: Config, size: int) -> Config:
    """The config with `model.vocab_size` taken from, or checked against, a vocabulary of `size` entries.

    There may be more rows than tokens: published tables are padded so.
    """
    if 0 < config.model.vocab_size < size:
        raise UserError(
            "config.model.vocab_size does not fit the vocabulary",
            found=f"{config.model.vocab_size}, and a vocabulary of {size} tokens",
            expected="at least as many as the vocabulary has",
            hint="leave --config.model.vocab_size out, or name the right --config.tokenizer.vocab_file",
        )
    size = max(size, config.model.vocab_size)
    return dataclasses.replace(config, model=dataclasses.replace(config.model, vocab_size=size))


def with_steps(config: Config, examples: int) -> Config:
    """The config with what is said in epochs of `examples` examples, or in shares of the steps, as numbers of steps.

    Raises:
        UserError: there are fewer steps than steps of warm-up.
    """
    train, optimizer = config.train, config.optimizer
    epoch = -(-examples // train.batch_size)
    steps = round(train.epochs * epoch) if train.epochs else train.steps
    warmup = int(optimizer.warmup_share * steps) if optimizer.warmup_share else optimizer.warmup_steps
    if warmup > steps:
        raise UserError("config.optimizer.warmup_steps is out of range", found=str(warmup),
                        expected=f"at most the {steps} steps of the run", hint="--config.optimizer.warmup_share=0.1")

    def every(section):
        return dataclasses.replace(section, every=epoch) if section.every == -1 else section

    return dataclasses.replace(
        config, train=dataclasses.replace(train, steps=steps), evaluate=every(config.evaluate),
        checkpoint=every(config.checkpoint), optimizer=dataclasses.replace(optimizer, warmup_steps=warmup))


def unknown_key(name: str) -> typing.NoReturn:
    """Raises the error of a key that no recipe has, naming the nearest one."""
    close = nearest(name, [*key_fields(), *(f.name for f in fields(Config))])
    raise UserError(
        f"config.{name} is not a key of a recipe",
        found=name,
        expected=f"config.{close}, perhaps" if close else "one of the keys that --help lists",
        hint="`--help` lists every key with its default",
    )
