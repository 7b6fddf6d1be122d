"""Fine-tuning on named entities, as the paper on CoNLL-2003 (Devlin et al., 2018, section 5.3).

    python -m bert_jax prepare ner --train eng.train --validation eng.testa --test eng.testb --name=conll2003 \
        --data_dir=data
    python train.py --config=configs/finetune/ner.py --workdir=runs/conll2003 \
        --config.init_from=CASED_CHECKPOINT --config.task.name=conll2003 --config.task.data_dir=data

Windows of 512 tokens go over whole documents, so that a word sees as much context as the data provides; a word is
scored in the window where it sees most. `ner.py:sentence` takes each sentence by itself, of at most 128 tokens. This is
one setting; the paper's grid is that of its appendix A.3.

`ner.py:features-KIND` is the feature-based approach of table 7: BERT stays as it is, and a BiLSTM of two layers reads
what its layers say. KIND is embeddings, second_to_last, last, weighted_last_four, concat_last_four or weighted_all.

Entity F1 in the paper, five runs: BERT-base 96.4 on the development set and 92.4 on the test set, BERT-large 96.6 and
92.8; features of BERT-base on the development set, in the order of KIND: 91.0, 95.6, 94.9, 95.9, 96.1, 95.5.
"""

from configs.finetune._common import fine_tuning


def get_config(variant: str = "document"):
    # A window over a document holds about twenty sentences.
    length, batch_size = (128, 32) if variant == "sentence" else (512, 8)
    config = fine_tuning("conll2003", length, batch_size=batch_size, epochs=4.0, learning_rate=5e-5)
    config.objectives = ("tag",)
    config.task.context = "sentence" if variant == "sentence" else "document"
    if variant.startswith("features-"):
        config.model.features = variant.removeprefix("features-")
        config.optimizer.frozen = (r"^/bert/",)
        config.train.epochs = 20.0
        config.optimizer.learning_rate = 1e-3
    return config
