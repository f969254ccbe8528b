"""What the files in a directory of images are called."""

from fip.data.values import Kind

LEDGER = "fip.sqlite"
IMAGE_LIST = "images.txt"
LOG_FILE = "fip.log"
LOCK_FILE = ".fip.lock"
FOUND = "transients"
"""The folder of what was found in the images, beside them."""


def file_name(name: str, field: str, integration: int, kind: Kind) -> str:
    """The name of a file, NAME[-FIELD]-tNNNNNN-KIND.fits; name and field are labels, the field may be ""."""
    return f"{name}{'-' + field if field else ''}-t{integration:06d}-{kind}.fits"


AFTER_RUN = "-backlog"
"""What follows the id and the name of a run, for the series of its backlog."""
