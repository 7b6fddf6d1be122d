r"""Continued pretraining: a published BERT, or your own, learns on from text of your domain.

    python -m bert_jax prepare text --input notes/ --format=documents --name=notes --data_dir=data
    python train.py --config=configs/pretrain/continued.py --workdir=DIR \
        --config.init_from=CHECKPOINT --config.corpus.name=notes --config.corpus.data_dir=data

CHECKPOINT is a Hugging Face directory, Google's bert_model.ckpt or a run. It determines the
architecture, the tokenizer and the vocabulary (docs/checkpoints.md).

Expected: held-out scores that start near the checkpoint's own on this text, which evaluate.py
reports, and improve from there; a checkpoint without MLM head starts from a random one. The gain on
tasks depends on how far the text is from what the checkpoint has seen.
Published: Sun et al. (2019, "How to Fine-Tune BERT for Text Classification?") continue for 100,000
steps of 32 rows of 128 tokens at 5e-5, a tenth of them warm-up: as many rows as here.
Here: not run to the end. 300 steps of 32 rows at 1e-4, with 30 of warm-up, in float32, from a
MiniLM (6 layers, hidden 384, no MLM head) on 59 books of Project Gutenberg: held-out MLM loss 10.63
after a step, 5.17 after 100, 4.70 at the end (guessing by frequency: 6.82), accuracy 0.281; NSP
accuracy 0.582.
"""

import ml_collections

from bert_jax.config import recipe


def get_config() -> ml_collections.ConfigDict:
    config = recipe()
    # A new optimiser knows nothing of earlier steps: warm-up keeps its first updates from undoing
    # what was learned.
    config.optimizer.learning_rate = 5e-5
    config.optimizer.warmup_steps = 1_250
    config.train.steps = 12_500
    config.train.batch_size = 256
    config.instances.length = 128
    config.masking.max_predictions = 20

    config.evaluate.every = 1_250
    config.evaluate.max_examples = 16_384
    config.checkpoint.every = 1_250
    config.compute.dtype = "bfloat16"
    return config
