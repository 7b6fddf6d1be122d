r"""BERT-Medium: 8 layers, hidden 512, 41.7 M parameters with a vocabulary of 30,522.

    python train.py --config=configs/pretrain/bert_medium.py --workdir=DIR \
        --config.corpus.data_dir=TFDS_DIR --config.tokenizer.vocab_file=vocab.txt

Published: GLUE 73.5 (Turc et al., 2019; google-research/bert).
Here: not run to its end.
"""

import ml_collections

from configs.pretrain._common import pretraining


def get_config() -> ml_collections.ConfigDict:
    return pretraining(num_layers=8, hidden_size=512)
