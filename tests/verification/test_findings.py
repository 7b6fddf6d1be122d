from bert_jax.verification.findings import Finding, markdown, read, within, write

FOUND = [
    within("close", 1e-6, 1e-5),
    within("far", 2e-5, 1e-5),
    within("no number", float("nan"), 1e-5),
    Finding("a | b", "two\nlines"),
]


def test_what_is_no_number_fails():
    assert [one.verdict for one in FOUND] == ["passed", "FAILED", "FAILED", "-"]


def test_findings_come_back(tmp_path):
    write(tmp_path / "found.json", FOUND[:2], dict(hosts=1))
    assert read(tmp_path / "found.json") == (FOUND[:2], dict(hosts=1))


def test_the_report_is_a_table():
    text = markdown(
        FOUND,
        dict(packages=dict(jax="1", libtpu=None), changes="a long\ndiff", hosts=1),
        dict(seed=0),
    )
    assert (
        "| far | 2e-05 apart | at most 1e-05 | FAILED |" in text
        and "| a \\| b | two lines |  | - |" in text
    )
    assert "- packages: jax 1\n" in text and "long" not in text and '"seed": 0' in text
