"""Docstrings and comments are in plain words: some turns that are hard to read are rare in them."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.repository import ROOT

HARD = re.compile(r"\b(where|told|of which|of whom|of late)\b", re.IGNORECASE)
MOST = 2  # in 1000 words
WORST = 10  # files that a failure names


class Count(NamedTuple):
    """How many hard words a file has, and how many words in all."""

    hard: int
    words: int
    path: str


def prose(source: str) -> Iterator[str]:
    """Yield the docstrings and the comments of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def count(path: Path) -> Count:
    text = " ".join(prose(path.read_text()))
    return Count(len(HARD.findall(text)), len(text.split()), str(path.relative_to(ROOT)))


def test_only_docstrings_and_comments_are_prose() -> None:
    source = '"""It waits."""\n\nwhere = "told"  # where it is\n\n\ndef told() -> None:\n    """Of which one."""\n'
    assert sorted(filter(None, prose(source))) == ["# where it is", "It waits.", "Of which one."]


@pytest.mark.parametrize("folders", [("lib", "daemons"), ("tests", "benchmarks")], ids="-".join)
def test_hard_words_are_rare(folders: tuple[str, ...]) -> None:
    """Write "if" or "when", and turn the sentence around; the failure names the files that have most."""
    counts = [count(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    hard, words = sum(each.hard for each in counts), sum(each.words for each in counts)
    assert words
    worst = "\n".join(f"{each.hard:3d}  {each.path}" for each in sorted(counts, reverse=True)[:WORST])
    assert 1000 * hard <= MOST * words, f"{hard} of {words} words are one of {HARD.pattern}; most are in\n{worst}"
