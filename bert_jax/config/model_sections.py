"""Sections of a recipe about the model."""

from dataclasses import dataclass

from bert_jax.config.keys import Options, key, section, selected, selector


@dataclass(frozen=True)
class PositionConfig:
    """Position encoding: the way in which the order of tokens enters the model."""

    name: str = selector(
        "absolute",
        "Position encoding: a learned embedding per position, as in BERT (absolute), or a rotation "
        "of queries and keys by their position (rotary)",
    )
    options: Options = selected()


@dataclass(frozen=True)
class NormConfig:
    """Layer normalisation in the encoder."""

    placement: str = selector(
        "post",
        "Place of LayerNorm: after each residual connection, as in BERT (post), or before each "
        "sub-layer and after the last layer (pre)",
    )
    options: Options = selected()


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int = key(
        0,
        "Number of rows of the word embeddings, at least the size of the vocabulary; 0: the size "
        "of the vocabulary",
    )
    hidden_size: int = key(768, "Width of the hidden states", at_least=1)
    num_layers: int = key(12, "Number of encoder layers", at_least=1)
    num_heads: int = key(12, "Number of attention heads; must divide hidden_size", at_least=1)
    intermediate_size: int = key(3072, "Width of the feed-forward layers", at_least=1)
    max_position_embeddings: int = key(
        512, "Number of positions, which is the maximum length of a row", at_least=1
    )
    type_vocab_size: int = key(2, "Number of token types", at_least=1)
    activation: str = key(
        "gelu_tanh",
        "Activation of the feed-forward layers and of the MLM head: GELU approximated by tanh "
        "(Google's code), exact GELU (Hugging Face), or ReLU",
        choices=("gelu_tanh", "gelu_erf", "relu"),
    )
    hidden_dropout: float = key(
        0.1, "Dropout rate after the embeddings and after each sub-layer", below=1
    )
    attention_dropout: float = key(0.1, "Dropout rate of attention probabilities", below=1)
    classifier_dropout: float = key(
        0.1, "Dropout rate before a head that classifies examples, tokens or choices", below=1
    )
    layer_norm_epsilon: float = key(1e-12, "Epsilon of LayerNorm")
    initializer: str = key(
        "truncated_normal",
        "Initial distribution of the weights: normal, truncated at two standard deviations "
        "(Google's code) or not (Hugging Face)",
        choices=("truncated_normal", "normal"),
    )
    initializer_range: float = key(
        0.02, "Standard deviation of the initial weights, before truncation"
    )
    causal: bool = key(
        False,
        "Let each token attend only to itself and to earlier ones, and pool the last token of an "
        "example instead of the first: for left-to-right language modelling",
    )
    pooler: bool = key(True, "Add the dense layer over [CLS] that heads for whole examples read")
    num_labels: int = key(
        0, "Number of labels of a head that classifies examples or tokens; 0: no such head"
    )
    position: PositionConfig = section(PositionConfig, "Position encoding")
    norm: NormConfig = section(NormConfig, "Layer normalisation")


@dataclass(frozen=True)
class ProbeConfig:
    """The feature-based approach (Devlin et al., 2018, section 5.3): a BiLSTM on a frozen BERT."""

    features: str = key(
        "",
        "Layers whose hidden states a BiLSTM reads as features while BERT stays frozen; the head "
        "for tokens reads the BiLSTM. Empty: no BiLSTM, and BERT itself is fine-tuned",
        choices=(
            "",
            "embeddings",
            "second_to_last",
            "last",
            "weighted_last_four",
            "concat_last_four",
            "weighted_all",
        ),
    )
    lstm_layers: int = key(2, "Number of layers of the BiLSTM", at_least=1)
    lstm_size: int = key(768, "Width of the BiLSTM in each direction", at_least=1)
