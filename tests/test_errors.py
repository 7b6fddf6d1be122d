from bert_jax.errors import UserError, nearest


def test_an_error_says_what_found_expected_and_what_to_try():
    text = str(UserError("the key is wrong", found="x", expected="y", hint="z"))
    assert text == "the key is wrong\n  found:    x\n  expected: y\n  try:      z"
    assert str(UserError("just this")) == "just this"


def test_nearest():
    known = ["model.num_layers", "train.steps"]
    assert nearest("modle.num_layers", known) == "model.num_layers"
    assert nearest("optimizer.step", known) == "train.steps"
    assert nearest("qqq", known) is None
