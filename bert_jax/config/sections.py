"""The whole recipe: its sections, and the keys that belong to none of them."""

from dataclasses import dataclass

from bert_jax.config.compute_sections import ComputeConfig, MeshConfig
from bert_jax.config.data_sections import (
    CorpusConfig,
    InstancesConfig,
    MaskingConfig,
    StoreConfig,
    TaskConfig,
    TokenizerConfig,
)
from bert_jax.config.keys import key, section
from bert_jax.config.model_sections import ModelConfig, ProbeConfig
from bert_jax.config.training_sections import (
    CheckpointConfig,
    EvaluateConfig,
    LogConfig,
    OptimizerConfig,
    ProtocolConfig,
    TrainConfig,
)


@dataclass(frozen=True)
class Config:
    """A whole recipe, checked."""

    seed: int = key(
        0,
        "Seed of every random choice: initial parameters, dropout, instances, masks and order",
        at_least=None,
    )
    objectives: tuple = key(
        ("mlm", "nsp"),
        "Losses of pretraining, which are added up. The loss of a task follows from its labels: "
        "there only preflight uses this key, since it reads no data",
        items=str,
    )
    init_from: str = key(
        "",
        "Checkpoint to start from: a run, a Hugging Face directory, or Google's bert_model.ckpt; "
        "it also determines the architecture, the vocabulary and the tokenizer",
    )
    init_parameters: str = key(
        "all",
        "Parameters to take from the checkpoint of init_from: all that this run also has; those of "
        "the encoder, without heads; or none, to train the same architecture from scratch",
        choices=("all", "encoder", "none"),
    )
    init_vocabulary: str = key(
        "same",
        "Treatment of a tokenizer.vocab_file other than the checkpoint's vocabulary: refuse it "
        "(same), match rows of the word embeddings by token (by_token), or keep the order of the "
        "rows (by_id)",
        choices=("same", "by_token", "by_id"),
    )
    corpus: CorpusConfig = section(CorpusConfig, "Unlabelled text, from TFDS")
    task: TaskConfig = section(TaskConfig, "Labelled data, from TFDS")
    tokenizer: TokenizerConfig = section(TokenizerConfig, "WordPiece and its vocabulary")
    store: StoreConfig = section(StoreConfig, "Tokenised corpus on disk")
    instances: InstancesConfig = section(InstancesConfig, "Choice of sentences for a row")
    masking: MaskingConfig = section(MaskingConfig, "Choice of tokens to predict")
    model: ModelConfig = section(ModelConfig, "Architecture")
    probe: ProbeConfig = section(ProbeConfig, "Feature-based approach")
    optimizer: OptimizerConfig = section(OptimizerConfig, "Update rule and learning rates")
    train: TrainConfig = section(TrainConfig, "Duration and batch size")
    evaluate: EvaluateConfig = section(EvaluateConfig, "Evaluation during training")
    protocol: ProtocolConfig = section(ProtocolConfig, "Fine-tuning by evaluate.py")
    checkpoint: CheckpointConfig = section(CheckpointConfig, "Saved states")
    log: LogConfig = section(LogConfig, "Metrics and profiles")
    compute: ComputeConfig = section(ComputeConfig, "Implementation settings")
    mesh: MeshConfig = section(MeshConfig, "Devices and sharding")
