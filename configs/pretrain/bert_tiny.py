r"""BERT-Tiny: 2 layers, hidden 128, 4.4 M parameters with a vocabulary of 30,522.

    python train.py --config=configs/pretrain/bert_tiny.py --workdir=DIR \
        --config.corpus.data_dir=TFDS_DIR --config.tokenizer.vocab_file=vocab.txt

Published: GLUE 64.2 (Turc et al., 2019; google-research/bert).
Here: not run to its end.
"""

import ml_collections

from configs.pretrain._common import pretraining


def get_config() -> ml_collections.ConfigDict:
    return pretraining(num_layers=2, hidden_size=128)
