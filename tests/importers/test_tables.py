import pytest

from bert_jax.errors import UserError
from bert_jax.importers.tables import columns, format_of, read


def rows(path, content, format, **kwargs):
    path.write_bytes(content)
    return list(read(path, format, **kwargs))


def test_tabs_without_quoting(tmp_path):
    content = b'\xef\xbb\xbfa\tb\n"x\t""y""\n\n \tc\xe2\x80\xa8\x0bd\r\n'
    assert rows(tmp_path / "t.tsv", content, "tsv") == [
        (2, {"a": '"x', "b": '""y""'}),
        (4, {"a": " ", "b": "c\u2028\x0bd"}),
    ]
    assert columns(tmp_path / "t.tsv", "tsv") == ["a", "b"]


def test_tabs_with_quoting(tmp_path):
    content = b'a\tb\n"x\ty"\tz\n'
    assert rows(tmp_path / "t.tsv", content, "tsv", quoting=True) == [(2, {"a": "x\ty", "b": "z"})]


def test_commas_with_quoting(tmp_path):
    long = "w " * 100_000
    content = f'a,"b, c"\n"x ""y""","two\r\nlines"\nz,{long}\n'.encode()
    assert rows(tmp_path / "t.csv", content, "csv") == [
        (2, {"a": 'x "y"', "b, c": "two\r\nlines"}),
        (4, {"a": "z", "b, c": long}),
    ]


def test_json_lines(tmp_path):
    content = b'{"a": "x", "b": ["y", 1]}\n\n{"b": null}'
    assert rows(tmp_path / "t.jsonl", content, "jsonl") == [
        (1, {"a": "x", "b": ["y", 1]}),
        (3, {"b": None}),
    ]
    assert columns(tmp_path / "t.jsonl", "jsonl") == ["a", "b"]


def test_the_format_is_in_the_name(tmp_path):
    assert [format_of(tmp_path / f"x.{end}") for end in ("tsv", "csv", "jsonl", "json")] == [
        "tsv",
        "csv",
        "jsonl",
        "jsonl",
    ]
    with pytest.raises(UserError, match=r"x.txt.*\n.*'.txt'"):
        format_of(tmp_path / "x.txt")


@pytest.mark.parametrize(
    "format, content, parts",
    [
        ("tsv", b"a\tb\n1\t2\n1\t2\t3\n", [":3 has another number", "3\n", "2: a, b", "--quoting"]),
        ("csv", b"a,b\n1,2\n\n1\n", [":4 has another number", "quote cells"]),
        ("csv", b'a,b\n1,"2\n3,4\n', [":2 is no row of cells"]),
        ("csv", b'a,b\n1,"2"3\n', [":2 is no row of cells"]),
        ("csv", b"a,b,a\n1,2,3\n", ["two columns", "'a'"]),
        ("tsv", b"a\tb\tb\n1\t2\t3\n", ["two columns", "'b'"]),
        ("tsv", b"a\tb\n", ["has no rows", "header"]),
        ("csv", b"", ["has no rows"]),
        ("jsonl", b"\n", ["has no rows"]),
        ("tsv", b"a\n\n\xe9\n", ["not UTF-8", "0xe9", "offset 3, in line 3"]),
        ("csv", b"\xef\xbb\xbfa,\xe9\n", ["not UTF-8", "0xe9", "offset 5, in line 1"]),
        ("jsonl", b'{"a": 1}\n{"a": \n', [":2 is no row", "Expecting value"]),
        ("jsonl", b'{"a": 1, "a": 2}\n', [":1 is no row", "twice"]),
        ("jsonl", b'["a"]\n', [":1 is no row", "a list"]),
    ],
)
def test_wrong_files_are_named(tmp_path, format, content, parts):
    with pytest.raises(UserError) as caught:
        rows(tmp_path / f"bad.{format}", content, format)
    for part in [f"bad.{format}", *parts]:
        assert part in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="no.tsv is not there"):
        list(read(tmp_path / "no.tsv", "tsv"))
    with pytest.raises(UserError, match="a directory"):
        list(read(tmp_path, "tsv"))
