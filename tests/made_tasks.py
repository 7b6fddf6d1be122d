"""Small labelled data sets of every kind in which there is something to learn."""

import random

LETTERS = "abcdefghij"


def squad_file(kind: str, count: int, seed: int) -> dict:
    """Questions in SQuAD's format: which word follows 'q'. Of 'span2' there may be none."""
    draw, paragraphs = random.Random(seed), []
    for number in range(count):
        words = [draw.choice(LETTERS[1:]) for _ in range(draw.randint(3, 8))]  # "a" is an article
        impossible = kind == "span2" and number % 3 == 0
        at = draw.randrange(len(words))
        answers = [] if impossible else [dict(text=words[at], answer_start=2 * at + 2)]
        if not impossible:
            words.insert(at, "q")
        question = dict(id=f"q{number}", question="x", answers=answers)
        paragraphs.append(
            dict(
                context=" ".join(words),
                qas=[question | (dict(is_impossible=impossible) if kind == "span2" else {})],
            )
        )
    return dict(version="1.1", data=[dict(title="made", paragraphs=paragraphs)])


def conll_file(documents: int, seed: int) -> str:
    """Documents of three sentences in CoNLL's format; the first word of a document says what 'q' is
    in its others."""
    draw, lines = random.Random(seed), []
    for _ in range(documents):
        mark, kind = draw.choice([("x", "PER"), ("z", "LOC")])
        lines += ["-DOCSTART- -X- -X- O", "", f"{mark} O", ""]
        for _ in range(2):
            words = [draw.choice(LETTERS) for _ in range(draw.randint(1, 3))]
            words.insert(draw.randint(0, len(words)), "q")
            lines += [*(f"{word} {f'B-{kind}' if word == 'q' else 'O'}" for word in words), ""]
    return "\n".join(lines) + "\n"


def choice_rows(count: int, seed: int) -> list[dict]:
    """Which of three texts has a 'q'."""
    draw, made = random.Random(seed), []
    for _ in range(count):
        choices = [[draw.choice(LETTERS) for _ in range(draw.randint(2, 5))] for _ in range(3)]
        label = draw.randrange(3)
        choices[label].insert(draw.randint(0, len(choices[label])), "q")
        made.append(dict(text="x", choices=[" ".join(choice) for choice in choices], label=label))
    return made


def rows(kind: str, count: int, seed: int) -> list[dict]:
    """What is to be learned: whether there is a 'q', how many, which of 'q', 'x', 'z' there are,
    which word is one."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        words = [draw.choice(LETTERS) for _ in range(draw.randint(2, 8))]
        for letter in draw.sample("qxz", draw.randint(0, 2)):
            words.insert(draw.randint(0, len(words)), letter)
        found = [letter for letter in "qxz" if letter in words]
        made.append(
            {
                "classification": dict(text=" ".join(words), label="yes" if "q" in words else "no"),
                "regression": dict(text=" ".join(words), label=float(len(found))),
                "multilabel": dict(text=" ".join(words), label=found),
                "tagging": dict(
                    tokens=words, tags=["rare" if word in "qxz" else "common" for word in words]
                ),
            }[kind]
        )
    return made
