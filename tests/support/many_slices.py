"""A run of many small slices, and whether a directory holds it whole: for tests that disturb it."""

from pathlib import Path

from fip.archive.file_names import IMAGE_LIST
from fip.archive.ledger import Ledger
from fip.data.quantities import ARCSEC
from fip.data.settings import asked
from support.fip_command import images

SLICES = 150
SELECTION = asked(size=(64, 64), scale=40 * ARCSEC)
OPTIONS = ("--size", "64", "--scale", "40arcsec")  # the same, as a person gives it


def assert_whole(directory: Path, undisturbed: dict[str, bytes]) -> None:
    """Exactly the images of an undisturbed run, bit for bit; the ledger lists them, and no temporary is left."""
    assert {image.name: image.read_bytes() for image in images(directory)} == undisturbed
    left = {path.name for path in directory.glob(".fip-*.tmp")}
    assert left <= {f".fip-{IMAGE_LIST}.tmp"}  # which is written when a job is done already, and may be just now
    ledger = Ledger(directory, read_only=True)
    (totals,) = ledger.totals()
    assert sorted(ledger.files()) == sorted(undisturbed)
    ledger.close()
    assert (totals.stored, totals.failed) == (len(undisturbed), ())
