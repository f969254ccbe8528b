"""Runs of more than 999,999 integrations: file names have a digit more, and nothing goes by the order of names."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fip.archive.file_names import IMAGE_LIST
from fip.archive.ledger import Ledger
from fip.archive.verify import verify
from fip.sink.store import Store
from support.smallest_images import PLAN
from support.stored_run import RUN, stored_image

NUMBERS = range(999_998, 1_000_002)
NAMES = [f"a-t{number}-dirty.fits" for number in NUMBERS]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """Images of integrations about the millionth."""
    with closing(Store(tmp_path / "out")) as store:
        assert store.open_run(replace(PLAN, run=RUN, total=2_000_000)) == ""
        assert store.put_all([stored_image(RUN, number) for number in NUMBERS]) == [None] * len(NUMBERS)
    yield tmp_path / "out"


def test_they_are_listed_and_read_in_order_of_time(directory: Path) -> None:
    """Sorted by name, the last would come first."""
    assert (directory / IMAGE_LIST).read_text().split() == NAMES
    with closing(Ledger(directory, read_only=True)) as ledger:
        assert [entry.file for entry in ledger.entries()] == NAMES
        assert ledger.stored(RUN) == ((NUMBERS.start, NUMBERS.stop),)
        assert [index for index, *_ in ledger.outcomes(RUN, 0, 10)] == [*NUMBERS]


def test_one_that_is_missing_or_foreign_is_named(directory: Path) -> None:
    """A name of seven digits is one of an image."""
    said = list[str]()
    (directory / NAMES[-1]).rename(directory / "a-t1000007-dirty.fits")
    assert verify(directory, say=said.append) == 1
    assert any(line.startswith(f"{NAMES[-1]} is missing") for line in said)
    assert any(line.startswith("a-t1000007-dirty.fits is foreign") for line in said)
