r"""Fine-tuning on named entities, as the paper on CoNLL-2003 (Devlin et al., 2018, section 5.3).

    python -m bert_jax prepare ner --train eng.train --validation eng.testa --test eng.testb \
        --name=conll2003 --data_dir=data
    python train.py --config=configs/finetune/ner.py --workdir=runs/conll2003 \
        --config.init_from=CASED_CHECKPOINT --config.task.name=conll2003 \
        --config.task.data_dir=data

By default, windows of 512 tokens extend over whole documents, so that a word sees as much context
as the data provides; each word is scored in the window in which it sees most. With
`ner.py:sentence` each sentence is an example of its own, of at most 128 tokens. This is one setting
of the paper's grid, which configs/evaluate/ner.py has.

`ner.py:features-KIND` is the feature-based approach of table 7: BERT stays frozen, and a BiLSTM of
two layers reads its hidden states. KIND is embeddings, second_to_last, last, weighted_last_four,
concat_last_four or weighted_all.

Published, entity F1, means of five runs: BERT-base 96.4 on the development set and 92.4 on the test
set; BERT-large 96.6 and 92.8; features of BERT-base on the development set, in the order of KIND:
91.0, 95.6, 94.9, 95.9, 96.1, 95.5.
Here: not run on CoNLL-2003; measured on WNUT-17 with a MiniLM (docs/measurements.md).
"""

import ml_collections

from configs.finetune._common import fine_tuning


def get_config(variant: str = "document") -> ml_collections.ConfigDict:
    # A window over a document holds about twenty sentences.
    length, batch_size = (128, 32) if variant == "sentence" else (512, 8)
    config = fine_tuning("conll2003", length, batch_size=batch_size, epochs=4.0, learning_rate=5e-5)
    config.objectives = ("tag",)
    config.task.context = "sentence" if variant == "sentence" else "document"
    if variant.startswith("features-"):
        config.probe.features = variant.removeprefix("features-")
        config.optimizer.frozen = (r"^/bert/",)
        config.train.epochs = 20.0
        config.optimizer.learning_rate = 1e-3
    return config
