"""Starting from a checkpoint: what a recipe takes over from it, and parameters put together from
both."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bert_jax import config as configs
from bert_jax.checkpoint.formats import open_pretrained
from bert_jax.checkpoint.pretrained import Pretrained, flat, tree
from bert_jax.config import RECIPES_OWN, Config, ModelConfig, TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.remote import path_of
from bert_jax.text.vocabulary import Vocabulary
from bert_jax.text.wordpiece import identity

_BY_TOKEN = (
    "bert/embeddings/word_embeddings/embedding",
    "mlm/bias",
)  # a row, or number, for each token


def adopt(config: Config, before: Config | None = None) -> tuple[Config, Pretrained | None]:
    """The recipe with the architecture of the checkpoint that it starts from, and its tokenizer
    unless it names one.

    Args:
        config: the recipe; without `init_from` it stays as it is.
        before: the config of the run if it has begun; what it took over counts, and the checkpoint
            need not be there any more.

    Returns:
        The recipe, and the checkpoint if it had to be opened for that.

    Raises:
        UserError: the checkpoint cannot be opened, or the recipe asks for something else.
    """
    if not config.init_from:
        return config, None
    if before and before.init_from == config.init_from:
        return adopt_from(
            config, before.model, before.tokenizer, "the checkpoint that the run began from"
        ), None
    source = opened(config)
    return adopt_from(config, source.model, source.tokenizer, str(source.path)), source


def opened(config: Config) -> Pretrained:
    """The checkpoint that a recipe starts from, with those of its heads that the recipe wants.

    Raises:
        UserError: as `open_pretrained`.
    """
    return open_pretrained(
        path_of(config.init_from), heads=None if config.init_parameters == "all" else ()
    )


def adopt_from(
    config: Config, model: ModelConfig, tokenizer: TokenizerConfig, where: str
) -> Config:
    """The recipe with this architecture, and this tokenizer unless it names a vocabulary of its
    own.

    Raises:
        UserError: the recipe sets a key of theirs to something else.
    """
    own = (*RECIPES_OWN, "vocab_size") if config.init_vocabulary == "by_token" else RECIPES_OWN
    model = _merged("model", config.model, model, own, where)
    if config.tokenizer.vocab_file:
        tokenizer = config.tokenizer
    else:
        own = tuple(
            f.name for f in dataclasses.fields(tokenizer) if f.name not in identity(tokenizer)
        )
        tokenizer = _merged("tokenizer", config.tokenizer, tokenizer, own, where)
    return configs.checked(dataclasses.replace(config, model=model, tokenizer=tokenizer))


def _merged(section: str, recipe: Any, theirs: Any, own: tuple[str, ...], where: str) -> Any:
    """`theirs` but for the keys of the recipe's own; raises a UserError if the recipe asks for
    other values."""
    default, values, expected = (configs.flat(part) for part in (type(recipe)(), recipe, theirs))
    asked = [
        name
        for name, value in values.items()
        if name not in own and value not in (default.get(name), expected.get(name))
    ]
    if asked:
        raise UserError(
            f"config.{section} is not that of {where}",
            found=", ".join(f"config.{section}.{name}={values[name]!r}" for name in asked),
            expected=", ".join(f"config.{section}.{name}={expected.get(name)!r}" for name in asked),
            hint="leave these keys out: they come from the checkpoint",
        )
    return dataclasses.replace(theirs, **{name: getattr(recipe, name) for name in own})


def vocabulary_of(source: Pretrained) -> Vocabulary:
    """The vocabulary of a checkpoint.

    Raises:
        UserError: it has none.
    """
    if source.vocabulary is None:
        raise UserError(
            f"{source.path} has no vocabulary",
            expected="vocab.txt or tokenizer.json beside it",
            hint="python -m bert_jax convert ... --vocab_file=FILE makes a checkpoint with the "
            "one that it "
            "was made with; a recipe may name it by --config.tokenizer.vocab_file=FILE and "
            "--config.init_vocabulary=by_id instead",
        )
    return source.vocabulary


def check_vocabulary(source: Pretrained, config: Config, vocabulary: Vocabulary) -> None:
    """Raises a UserError unless ids mean in the recipe what they mean in the checkpoint, or the
    recipe says otherwise.

    The tokenizers have to split text alike too, unless `init_vocabulary` is not 'same'.
    """
    if config.init_vocabulary == "by_id" and source.model.vocab_size < len(vocabulary):
        raise UserError(
            "config.init_vocabulary=by_id needs a row for each token",
            found=f"{len(vocabulary)} tokens, {source.model.vocab_size} rows in {source.path}",
            expected="a vocabulary that is no larger",
            hint="--config.init_vocabulary=by_token",
        )
    if config.init_vocabulary == "by_token":
        vocabulary_of(source)  # has to be there
    if config.init_vocabulary != "same":
        return
    theirs, ours = vocabulary_of(source), vocabulary
    hint = (
        "leave --config.tokenizer.vocab_file out to take the checkpoint's, or say how rows are "
        "matched: "
        "--config.init_vocabulary=by_token or by_id"
    )
    if theirs != ours:
        shared = len(set(theirs.tokens) & set(ours.tokens))
        raise UserError(
            f"the vocabulary is not that of {source.path}",
            found=f"{len(ours)} tokens, {shared} of them in both",
            expected=f"its {len(theirs)} tokens",
            hint=hint,
        )
    for name in (
        "lowercase",
        "accents",
        "split_cjk",
    ):  # the others make a difference in rare words alone
        said, meant = getattr(config.tokenizer, name), getattr(source.tokenizer, name)
        if said != meant:
            raise UserError(
                f"config.tokenizer.{name} is not that of {source.path}",
                found=repr(said),
                expected=repr(meant),
                hint=hint,
            )


def overlaid(
    source: Pretrained, wanted: dict, vocabulary: Vocabulary, by_token: bool
) -> tuple[dict, list[str]]:
    """Parameters of the checkpoint where it has them, on the devices of those that they replace.

    Args:
        source: the checkpoint; it is read here.
        wanted: canonical tree of initial parameters, global arrays.
        vocabulary: of the new model.
        by_token: rows of tokens go where the token is in the new vocabulary, rather than where they
            were.

    Returns:
        The tree, and the paths of parameters that stay as they are in `wanted`: the checkpoint does
        not have them.

    Raises:
        UserError: a parameter has another shape in the checkpoint, such as a head with other
            labels.
    """
    theirs, new = flat(source.read()), []
    result: dict[str, Any] = {}
    initial: Any
    for path, initial in flat(wanted).items():
        value = theirs.get(path)
        if value is None:
            result[path] = initial
            new.append(path)
        elif path in _BY_TOKEN and by_token and source.vocabulary:
            result[path] = _rows_by_token(value, initial, source.vocabulary, vocabulary)
        elif value.shape == initial.shape:
            result[path] = _placed(value, initial.sharding)
        else:
            raise UserError(
                f"{path} of {source.path} does not fit the recipe",
                found=f"{list(value.shape)}",
                expected=f"{list(initial.shape)}",
                hint="--config.init_parameters=encoder starts without its heads",
            )
    return tree(result), new


def _rows_by_token(
    value: np.ndarray, initial: jax.Array, theirs: Vocabulary, ours: Vocabulary
) -> jax.Array:
    rows = np.zeros(initial.shape[0], np.int64)
    known = np.zeros(initial.shape[0], bool)
    for row, token in enumerate(ours.tokens):
        known[row] = token in theirs.ids
        rows[row] = theirs.ids.get(token, 0)
    taken = _placed(value[rows], initial.sharding)
    known = known.reshape(-1, *[1] * (value.ndim - 1))
    return jax.jit(lambda a, b: jnp.where(known, a, b), out_shardings=initial.sharding)(
        taken, initial
    )


def _placed(value: np.ndarray, sharding: jax.sharding.Sharding) -> jax.Array:
    return jax.make_array_from_callback(value.shape, sharding, lambda index: value[index])
