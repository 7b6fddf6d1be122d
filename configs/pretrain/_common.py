"""Settings that the recipes of the published sizes share (Devlin et al., 2018, appendix A.2)."""

import ml_collections

from bert_jax.config import recipe


def pretraining(num_layers: int, hidden_size: int) -> ml_collections.ConfigDict:
    """Returns the paper's pretraining of a model of some size, on English Wikipedia.

    A million steps of batch 256, Adam at 1e-4 with 10,000 steps of warm-up, dropout 0.1. The paper
    also learns from BookCorpus, which is no longer available, and uses rows of 512 tokens for the
    last tenth of the steps. Here all rows have 128 tokens; the paper's two phases are
    `--config.instances.phases="((128,256,900000),(512,256,100000))"`. If memory is short, set
    `--config.compute.remat=dots` or `--config.train.accumulation=N`.

    Args:
        num_layers: number of encoder layers.
        hidden_size: width of the hidden states; a head has 64.
    """
    config = recipe()
    config.corpus.name = "wikipedia/20230601.en"
    config.corpus.train_split = "train[:99%]"
    config.corpus.held_out_split = "train[99%:]"
    config.tokenizer.vocab_size = 30522
    config.tokenizer.vocab_documents = 500_000

    config.model.num_layers = num_layers
    config.model.hidden_size = hidden_size
    config.model.num_heads = hidden_size // 64
    config.model.intermediate_size = 4 * hidden_size

    config.instances.length = 128
    config.masking.max_predictions = 20
    config.train.batch_size = 256
    config.train.steps = 1_000_000
    config.optimizer.learning_rate = 1e-4
    config.optimizer.warmup_steps = 10_000

    config.evaluate.every = 10_000
    config.evaluate.max_examples = 16_384
    config.checkpoint.every = 5_000
    config.checkpoint.keep_every = 100_000
    config.compute.dtype = "bfloat16"
    return config
