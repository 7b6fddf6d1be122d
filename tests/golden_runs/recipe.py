"""Recipes of the golden runs: `train.py --config=tests/golden_runs/recipe.py:KIND`.

Paths are relative to the directory in which the archives are unpacked.
"""

from bert_jax.config import recipe

STEPS, SAVED = 15, 10


def get_config(kind: str):
    config = recipe()
    config.train.steps, config.train.batch_size = STEPS, 8
    config.optimizer.learning_rate, config.optimizer.warmup_steps = 1e-3, 3
    config.model.hidden_dropout = config.model.attention_dropout = 0.0
    config.checkpoint.every, config.evaluate.every, config.log.every = SAVED, 5, 1
    config.mesh.data = 1
    if kind == "pretraining":
        config.corpus.name, config.corpus.data_dir = "corpus", "data"
        config.tokenizer.vocab_file = "data/bert/vocab.txt"
        config.store.dir, config.store.workers = "data/store", 1
        config.model.update(
            dict(hidden_size=32, num_layers=2, num_heads=4, intermediate_size=64),
            max_position_embeddings=32,
        )
        config.instances.length, config.masking.max_predictions = 32, 5
        return config
    config.init_from = "data/bert"
    config.task.name, config.task.data_dir, config.task.length = kind, "data", 24
    config.model.classifier_dropout = 0.0
    config.objectives = dict(classification=("classification",), tagging=("tag",), span=("span",))[
        kind
    ]
    return config
