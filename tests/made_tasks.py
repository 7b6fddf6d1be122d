"""Small labelled data sets of every kind in which there is something to learn."""

import random

LETTERS = "abcdefghij"


def rows(kind: str, count: int, seed: int) -> list[dict]:
    """What is to be learned: whether there is a 'q', how many, which of 'q', 'x', 'z' there are, which word is one."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        words = [draw.choice(LETTERS) for _ in range(draw.randint(2, 8))]
        for letter in draw.sample("qxz", draw.randint(0, 2)):
            words.insert(draw.randint(0, len(words)), letter)
        found = [letter for letter in "qxz" if letter in words]
        made.append({
            "classification": dict(text=" ".join(words), label="yes" if "q" in words else "no"),
            "regression": dict(text=" ".join(words), label=float(len(found))),
            "multilabel": dict(text=" ".join(words), label=found),
            "tagging": dict(tokens=words, tags=["rare" if word in "qxz" else "common" for word in words]),
        }[kind])
    return made
