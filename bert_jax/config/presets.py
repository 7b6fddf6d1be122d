"""Presets: values of the keys in which Google's code and Hugging Face's differ.

`docs/fidelity.md` has the source of each. A preset sets these keys and no others: sizes, learning
rates and lengths are left to the recipe. Google's code on N TPU cores is the preset `google` with
`train.replicas=N`.
"""

import ml_collections

# key: (Google's, Hugging Face's)
DETAILS = {
    "tokenizer.rules": ("google", "huggingface"),
    "tokenizer.max_chars_per_word": (200, 100),
    "masking.draw": ("exact", "independent"),
    "model.activation": ("gelu_tanh", "gelu_erf"),
    "model.initializer": ("truncated_normal", "normal"),
    "optimizer.name": ("bert_adam", "adamw"),
    "optimizer.epsilon": (1e-6, 1e-8),
    "optimizer.decay_start": ("zero", "warmup"),
}

PRESETS = {
    "google": {key: values[0] for key, values in DETAILS.items()},
    "huggingface": {key: values[1] for key, values in DETAILS.items()},
}


def apply(name: str, recipe: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Sets the keys of a preset in a recipe and returns it."""
    for key, value in PRESETS[name].items():
        section, _, key = key.partition(".")
        recipe[section][key] = value
    return recipe
