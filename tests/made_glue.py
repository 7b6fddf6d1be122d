"""Small files of GLUE's tasks in the official formats."""

from pathlib import Path

# Quotes that nothing closes, spaces at ends, and characters at which str.splitlines would break a
# line.
NASTY = [
    'He said "no',
    'a ""quoted"" word',
    '"whole"',
    " spaces ",
    "naïve\u2028café\x85\x0b",
    "\\t is no tab",
    "n/a",
]
MRPC_HEADER = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def text(split, i, which=1):
    return f"{split} {i} {which} {NASTY[i % len(NASTY)]}"


def official_files(text=text, train=9, validation=4, test=5):
    """{path: lines} of all tasks in the official formats, a few rows each; row i is of class i
    modulo their number."""

    def rows(split, count, line):
        return [line(i, text(split, i), text(split, i, 2)) for i in range(count)]

    files = {
        "CoLA/train.tsv": rows(
            "train", train, lambda i, a, b: f"gj04\t{i % 2}\t{'' if i % 2 else '*'}\t{a}"
        ),
        "CoLA/dev.tsv": rows("validation", validation, lambda i, a, b: f"gj04\t{i % 2}\t\t{a}"),
        "CoLA/test.tsv": ["index\tsentence", *rows("test", test, lambda i, a, b: f"{i}\t{a}")],
        "MRPC/msr_paraphrase_train.txt": [
            MRPC_HEADER,
            *rows("train", train, lambda i, a, b: f"{i % 2}\t{10 + i}\t{20 + i}\t{a}\t{b}"),
            *rows(
                "validation", validation, lambda i, a, b: f"{i % 2}\t{30 + i}\t{40 + i}\t{a}\t{b}"
            ),
        ],
        "MRPC/dev_ids.tsv": rows("validation", validation, lambda i, a, b: f"{30 + i}\t{40 + i}"),
        "MRPC/msr_paraphrase_test.txt": [
            MRPC_HEADER,
            *rows("test", test, lambda i, a, b: f"{i % 2}\t{50 + i}\t{60 + i}\t{a}\t{b}"),
        ],
        "diagnostic/diagnostic.tsv": [
            "index\tsentence1\tsentence2",
            *rows("test", test, lambda i, a, b: f"{i}\t{a}\t{b}"),
        ],
    }
    usual = {
        "SST-2": ("", "sentence", "label", [0, 1]),
        "QQP": ("id\tqid1\tqid2\t", "question1\tquestion2", "is_duplicate", [0, 1]),
        "STS-B": (
            "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\t",
            "sentence1\tsentence2",
            "score",
            ["0.250", "5.000", "3.333"],
        ),
        "QNLI": ("index\t", "question\tsentence", "label", ["entailment", "not_entailment"]),
        "RTE": ("index\t", "sentence1\tsentence2", "label", ["entailment", "not_entailment"]),
        "WNLI": ("index\t", "sentence1\tsentence2", "label", [0, 1]),
        "MNLI": (
            "index\tpromptID\tpairID\tgenre\tparse\t",
            "sentence1\tsentence2",
            "label1\tgold_label",
            ["neutral\tentailment", "neutral\tneutral", "neutral\tcontradiction"],
        ),
    }
    for folder, (before, texts, label, labels) in usual.items():

        def line(i, a, b):
            both = f"{a}\t{b}" if "\t" in texts else a
            return (
                "".join(f"{i}\t" for _ in range(before.count("\t")))
                + f"{both}\t{labels[i % len(labels)]}"
            )

        test_header = "index\tsentence" if folder == "SST-2" else f"{before}{texts}"
        for split, name, count in (
            ("train", "train", train),
            ("validation", "dev", validation),
            ("test", "test", test),
        ):
            made = [before + texts + f"\t{label}", *rows(split, count, line)]
            if split == "test":
                cut = label.count("\t") + 1
                made = [test_header, *(row.rsplit("\t", cut)[0] for row in made[1:])]
                if folder == "SST-2":
                    made[1:] = [f"{i}\t{row}" for i, row in enumerate(made[1:])]
            for kind in (
                ("_matched", "_mismatched") if folder == "MNLI" and split != "train" else ("",)
            ):
                files[f"{folder}/{name}{kind}.tsv"] = made
    return files


def write(files, root: Path) -> Path:
    """Writes {path: lines} under `root`."""
    for name, lines in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes("".join(f"{line}\n" for line in lines).encode())
    return root
