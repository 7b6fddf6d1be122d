from collections import Counter

from bert_jax.importers import documentation, documentation_tasks
from bert_jax.importers.documentation import Document
from bert_jax.tasks import examples


def documents(count=40, paragraphs=60):
    packages = {
        *documentation_tasks.PACKAGES,
        *documentation_tasks.NUMERICAL,
        *documentation_tasks.OTHER,
    }
    return [
        Document(
            package,
            f"{package}/{i}.py",
            [f"{package} {i} paragraph {n}" for n in range(paragraphs)],
            None,
            [],
        )
        for package in packages
        for i in range(count)
    ]


def prepared(tmp_path, name):
    found = documents()
    documentation_tasks.write(
        name, lambda *asked: documentation.paragraphs(found, *asked), str(tmp_path), {}
    )
    return {split: examples.read(name, str(tmp_path), split) for split in documentation_tasks.ROWS}


def document_of(text):
    return text.rsplit(" paragraph", 1)[0]


def test_packages_are_balanced_and_no_document_is_in_both_splits(tmp_path):
    read = prepared(tmp_path, "documentation_packages")
    for split, found in read.items():
        assert found.label_names == documentation_tasks.PACKAGES and found.texts_b is None
        assert [found.label_names[label] for label in found.labels] == [
            text.split()[0] for text in found.texts_a
        ]
        assert set(Counter(found.labels.tolist()).values()) == {
            documentation_tasks.ROWS[split] // 4
        }
        assert len(set(found.texts_a)) == len(found)
    assert not {*map(document_of, read["train"].texts_a)} & {
        *map(document_of, read["validation"].texts_a)
    }


def test_pairs_are_labelled_by_where_the_numerical_one_stands(tmp_path):
    read = prepared(tmp_path, "documentation_pairs")
    for split, found in read.items():
        numerical = [
            [text.split()[0] in documentation_tasks.NUMERICAL for text in pair]
            for pair in zip(found.texts_a, found.texts_b)
        ]
        assert numerical == [[label == 0, label == 1] for label in found.labels]
        assert Counter(found.labels.tolist()) == {
            0: documentation_tasks.ROWS[split] // 2,
            1: documentation_tasks.ROWS[split] // 2,
        }
    texts = [
        {document_of(text) for text in (*found.texts_a, *found.texts_b)} for found in read.values()
    ]
    assert not texts[0] & texts[1]
