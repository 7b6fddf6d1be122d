"""WordPiece vocabularies trained on text: the same text and size give the same file, every time."""

from collections import Counter
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer

from bert_jax.config import TokenizerConfig
from bert_jax.errors import UserError
from bert_jax.text.sentences import batches
from bert_jax.text.vocabulary import CONTINUATION, SPECIAL_TOKENS, UNK, Vocabulary
from bert_jax.text.wordpiece import split_at_spaces
from bert_jax.text.words import splitter

_COUNTED_AT_ONCE = 1 << 24  # characters
_FED_AT_ONCE = 1 << 16  # characters


def train(texts: Iterable[str], config: TokenizerConfig) -> Vocabulary:
    """A vocabulary of exactly `vocab_size` tokens, whatever the order of the texts, the threads or
    the hash seed.

    The order of ids: special tokens; the `vocab_characters` most frequent ones, by code point;
    those of them that go on with a word, by code point; then merges as they were learned, the most
    frequent pair first, ties by the ids of its parts. A word with a character outside these would
    be [UNK] and teaches nothing.

    Raises:
        UserError: the text is too small for that size, or the size for the characters of the text.
    """
    size = config.vocab_size
    words = count_words(texts, config)
    letters = _most_frequent_characters(words, config.vocab_characters)
    words = {word: count for word, count in words.items() if letters.issuperset(word)}
    continuations = set().union(*(word[1:] for word in words))
    # Left to itself the library numbers characters in hash order, and ties between merges go by
    # number.
    initial = [
        *SPECIAL_TOKENS,
        *sorted(letters),
        *sorted(CONTINUATION + letter for letter in continuations),
    ]
    if len(initial) > size:
        raise UserError(
            f"a vocabulary of {size} tokens cannot hold the characters of the text",
            found=f"{len(initial)} special tokens and characters, alone and within words",
            expected=f"at most {size}",
            hint=f"--config.tokenizer.vocab_size={4 * len(initial)}, say",
        )
    tokenizer = Tokenizer(WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.train_from_iterator(
        _fed(words),
        WordPieceTrainer(
            vocab_size=size,
            special_tokens=initial,
            continuing_subword_prefix=CONTINUATION,
            show_progress=False,
        ),
    )
    ids = tokenizer.get_vocab(with_added_tokens=False)
    if len(ids) < size:
        raise UserError(
            f"the text is too small for a vocabulary of {size} tokens",
            found=f"{len(ids)} when every one of its {len(words)} words is a token",
            expected=f"at least {size}",
            hint=f"more text, or --config.tokenizer.vocab_size={len(ids)} or fewer",
        )
    return Vocabulary(tuple(sorted(ids, key=ids.__getitem__)))


def count_words(texts: Iterable[str], config: TokenizerConfig) -> Counter[str]:
    """Counts the words of texts, as WordPiece sees words: normalised, punctuation apart."""
    words_of = splitter(config)
    words: Counter[str] = Counter()
    # The rules are slow and text repeats itself: they are applied once to each string of a batch.
    for batch in batches(texts, _COUNTED_AT_ONCE):
        strings: Counter[str] = Counter()
        for text in batch:
            strings.update(split_at_spaces(text))
        for string, count in strings.items():
            for word in words_of(string):
                words[word] += count
    return words


def _most_frequent_characters(words: Counter[str], limit: int) -> set[str]:
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for letter in word:
            counts[letter] += count
    return set(sorted(counts, key=lambda letter: (-counts[letter], letter))[:limit])


def _fed(words: dict[str, int]) -> Iterator[str]:
    """Every word as often as it counts, in strings of bounded length."""
    for word, count in words.items():
        most = 1 + _FED_AT_ONCE // len(word)
        while count > 0:
            yield f"{word} " * min(count, most)
            count -= most
