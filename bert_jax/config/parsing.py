"""Values of keys as the command line writes them."""

import ast
from typing import Any

from bert_jax.config.keys import Key, example
from bert_jax.errors import UserError

_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def parse_value(name: str, declaration: Key, text: str) -> Any:
    """Returns the value that a text stands for.

    Elements of a tuple are separated by commas, `mlm,nsp`, or stand in a Python literal,
    `('mlm', 'nsp')`; tuples of tuples are literals. A single element needs no comma.

    Args:
        name: dotted name of the key.
        declaration: of the key.
        text: what stands behind `--config.NAME=`.

    Raises:
        UserError: the text is no value of the key's type.
    """
    try:
        if declaration.type is tuple:
            return _tuple(declaration, text)
        return _scalar(declaration.type, text)
    except ValueError:
        raise UserError(
            f"config.{name} has the wrong type",
            found=text,
            expected=_described(declaration),
            hint=f'"--config.{name}={example(declaration)}"',
        ) from None


def _scalar(wanted: type, text: str) -> Any:
    if wanted is bool:
        if text.lower() not in _BOOLS:
            raise ValueError(text)
        return _BOOLS[text.lower()]
    return wanted(text)


def _tuple(declaration: Key, text: str) -> tuple:
    literal = _literal(text)
    items = declaration.items
    if items is None:
        if not isinstance(literal, tuple | list):
            raise ValueError(text)
        nested = any(isinstance(item, tuple | list) for item in literal)
        return tuple(literal) if nested or not literal else (tuple(literal),)
    if isinstance(literal, tuple | list) and (
        items is not str or all(isinstance(item, str) for item in literal)
    ):
        return tuple(literal)
    if isinstance(literal, str):
        return (literal,)
    if "'" in text or '"' in text:  # a literal that does not parse, and no name
        raise ValueError(text)
    return tuple(_scalar(items, part.strip()) for part in text.split(",") if part.strip())


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _described(declaration: Key) -> str:
    words = {
        int: "a whole number",
        float: "a number",
        bool: "True or False",
        str: "text",
    }
    if declaration.type is not tuple:
        return words[declaration.type]
    several = {int: "whole numbers", float: "numbers", str: "names"}
    if declaration.items:
        return f"{several[declaration.items]}, separated by commas"
    return "a Python literal: a tuple of tuples"
