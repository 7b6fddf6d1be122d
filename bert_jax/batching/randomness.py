"""Stateless randomness on the host: every draw is a hash of what it is for.

A generator that is carried along makes a draw depend on all draws before it, and so on hosts,
workers and restarts. Here a draw is a function of (seed, purpose, counters), vectorised over the
counters: SplitMix64's sequence (Steele, Lea and Flood, 2014) whose start is itself hashed from the
seed and the purpose.
"""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def key(seed: int, purpose: str) -> np.ndarray:
    """A uint64 scalar to draw from: different for every seed and every purpose."""
    digest = hashlib.blake2b(f"{seed}/{purpose}".encode(), digest_size=8).digest()
    return np.frombuffer(digest, dtype="<u8")[0]


def bits(key: np.ndarray, *counters: np.ndarray | int) -> np.ndarray:
    """64 random bits for each combination of counters.

    Args:
        key: uint64, from `key` or from an earlier `bits`, of any shape.
        counters: whole numbers that are not negative, scalars or arrays that broadcast with the
            key.

    Returns:
        uint64 of the broadcast shape. It is a key in its turn: `bits(bits(k, a), b)` is `bits(k, a,
        b)`.
    """
    z = np.asarray(key, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for counter in counters:
            z = _mix(z + _GOLDEN * (np.asarray(counter).astype(np.uint64) + np.uint64(1)))
    return z


def uniform(bits: np.ndarray) -> np.ndarray:
    """Bits as float64 in [0, 1)."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def below(bits: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """Bits as int64 from 0 to n - 1; `n` is at least 1 and broadcasts."""
    return (uniform(bits) * n).astype(np.int64)


def heads(keys: np.ndarray, tosses: np.ndarray) -> np.ndarray:
    """Returns binomial draws: of int64 `tosses` `[n]` fair coins each, the number that fall on
    heads, int64 `[n]`, by keys `[n]`."""
    count = np.zeros(tosses.shape, np.int64)
    for word in range(-(-int(tosses.max(initial=0)) // 64)):
        at = np.flatnonzero(tosses > 64 * word)
        left = np.minimum(tosses[at] - 64 * word, 64)
        # A shift by 64 is undefined, so the word is shifted in two halves.
        half = (left // 2).astype(np.uint64)
        rest = left.astype(np.uint64) - half
        word_bits = bits(keys[at], word)
        low = word_bits & ((np.uint64(1) << half) - np.uint64(1))
        high = (word_bits >> np.uint64(32)) & ((np.uint64(1) << rest) - np.uint64(1))
        count[at] += np.bitwise_count(low).astype(np.int64) + np.bitwise_count(high)
    return count


def permutation(key: np.ndarray, n: int) -> np.ndarray:
    """int64 `[n]`: the numbers from 0 to n - 1 in a random order."""
    return np.argsort(bits(key, np.arange(n)), kind="stable")


def _mix(z: np.ndarray) -> np.ndarray:
    # In place: fresh memory would take as long as the arithmetic.
    z = z ^ (z >> np.uint64(30))
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z
