"""The tokenizer of a Hugging Face directory: `vocab.txt`, `tokenizer_config.json`,
`tokenizer.json`."""

from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from bert_jax.checkpoint.pretrained import infer_lowercase, read_json
from bert_jax.config import TokenizerConfig
from bert_jax.disk import write_json
from bert_jax.errors import UserError
from bert_jax.text.vocabulary import (
    CLS,
    CONTINUATION,
    FILE,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
)

_SETTINGS, _WHOLE, _ADDED = "tokenizer_config.json", "tokenizer.json", "added_tokens.json"
ACCENTS = {None: "with_case", True: "strip", False: "keep"}


def read_tokenizer(directory: Path) -> tuple[TokenizerConfig, Vocabulary | None, tuple[str, ...]]:
    """The settings, the vocabulary if there is one, and what had to be taken for granted.

    Raises:
        UserError: the tokenizer is no WordPiece, or its files do not say what they should.
    """
    try:
        return _read(directory)
    except (
        AttributeError,
        KeyError,
        TypeError,
    ) as error:  # whatever a value of another kind led to
        raise UserError(
            f"the tokenizer in {directory} is not what it should be",
            found=f"{type(error).__name__}: {error}",
            expected=f"what transformers writes to {_SETTINGS} and {_WHOLE}",
            hint=f"copy them anew, or remove them: {FILE} is enough",
        ) from None


def _read(directory: Path) -> tuple[TokenizerConfig, Vocabulary | None, tuple[str, ...]]:
    whole = read_json(directory / _WHOLE) if (directory / _WHOLE).is_file() else {}
    settings = read_json(directory / _SETTINGS) if (directory / _SETTINGS).is_file() else {}
    model = whole.get("model") or {}
    added = {token["content"]: token["id"] for token in whole.get("added_tokens") or ()}
    if model.get("type", "WordPiece") != "WordPiece":
        raise UserError(
            f"{directory / _WHOLE} is no WordPiece tokenizer",
            found=model["type"],
            expected="WordPiece",
            hint="--vocab_file=FILE with the WordPiece vocabulary of the model, if there is one",
        )
    if (directory / FILE).is_file():
        vocabulary = Vocabulary.load(directory / FILE)
        if (directory / _ADDED).is_file():
            added |= read_json(directory / _ADDED)
        new = {token: i for token, i in added.items() if token not in vocabulary.ids}
        vocabulary = _of_ids(vocabulary.ids | new, directory / FILE) if new else vocabulary
    elif "vocab" in model:
        vocabulary = _of_ids(added | model["vocab"], directory / _WHOLE)
        new = {token: i for token, i in added.items() if token not in model["vocab"]}
    else:
        vocabulary, new = None, {}
    # The older file speaks for all kinds of tokenizers of `transformers`, and where it is silent
    # the newer one may not.
    normalizer = whole.get("normalizer") or {}
    normalizer = normalizer if normalizer.get("type") == "BertNormalizer" else {}
    lowercase = _first(settings.get("do_lower_case"), normalizer.get("lowercase"))
    notes = ()
    if new:
        notes = (
            f"{len(new)} tokens were added to the vocabulary, {', '.join(list(new)[:3])}: they "
            f"keep their ids, "
            "but in a text they are words like others, not looked for before it is split",
        )
    if lowercase is None:
        lowercase = infer_lowercase(vocabulary) if vocabulary else True
        notes += (
            f"the tokenizer does not say whether it lower-cases: taken for {'un' * lowercase}cased"
            + " by its vocabulary" * bool(vocabulary),
        )
    if not isinstance(lowercase, bool):
        raise TypeError(f"do_lower_case = {lowercase!r}")
    config = TokenizerConfig(
        lowercase=lowercase,
        rules="huggingface",
        accents=ACCENTS[settings.get("strip_accents", normalizer.get("strip_accents"))],
        split_cjk=_first(
            settings.get("tokenize_chinese_chars"), normalizer.get("handle_chinese_chars"), True
        ),
        max_chars_per_word=_first(model.get("max_input_chars_per_word"), 100),
    )
    return config, vocabulary, notes


def write_tokenizer(
    config: TokenizerConfig, vocabulary: Vocabulary, longest: int, directory: Path
) -> None:
    """Writes the three files; `longest` is how many tokens the model takes."""
    accents = {name: value for value, name in ACCENTS.items()}[config.accents]
    vocabulary.save(directory / FILE)
    write_json(
        directory / _SETTINGS,
        dict(
            tokenizer_class="BertTokenizer",
            do_lower_case=config.lowercase,
            strip_accents=accents,
            tokenize_chinese_chars=config.split_cjk,
            model_max_length=longest,
            pad_token=PAD,
            unk_token=UNK,
            cls_token=CLS,
            sep_token=SEP,
            mask_token=MASK,
        ),
        indent=2,
    )
    tokenizer = Tokenizer(
        models.WordPiece(
            vocabulary.ids,
            unk_token=UNK,
            max_input_chars_per_word=config.max_chars_per_word,
            continuing_subword_prefix=CONTINUATION,
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=config.split_cjk,
        strip_accents=accents,
        lowercase=config.lowercase,
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS}:0 $A:0 {SEP}:0",
        pair=f"{CLS}:0 $A:0 {SEP}:0 $B:1 {SEP}:1",
        special_tokens=[(CLS, vocabulary.cls), (SEP, vocabulary.sep)],
    )
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS]
    )
    tokenizer.save(str(directory / _WHOLE))


def _first(*values: Any) -> Any:
    """The first that says something."""
    return next((value for value in values if value is not None), None)


def _of_ids(ids: dict[str, int], where: Path) -> Vocabulary:
    tokens = sorted(ids, key=ids.__getitem__)
    if sorted(ids.values()) != list(range(len(ids))):
        raise UserError(
            f"the vocabulary in {where} has gaps",
            found=f"{len(ids)} tokens, ids up to {max(ids.values())}",
            expected="ids from 0 on, one a token",
            hint="--vocab_file=FILE with the whole vocabulary",
        )
    return Vocabulary.of(tuple(tokens), where)
