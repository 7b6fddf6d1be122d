r"""BERT-base: 12 layers, hidden 768, 110 M parameters with a vocabulary of 30,522.

    python train.py --config=configs/pretrain/bert_base.py --workdir=DIR \
        --config.corpus.data_dir=TFDS_DIR --config.tokenizer.vocab_file=vocab.txt

Published: 4 days on 4 Cloud TPUs (16 chips); GLUE 79.6 (Devlin et al., 2018,
appendix A.2 and table 1).
Here: not run to its end.
"""

import ml_collections

from configs.pretrain._common import pretraining


def get_config() -> ml_collections.ConfigDict:
    return pretraining(num_layers=12, hidden_size=768)
