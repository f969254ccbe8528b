"""`fip export`: the images of a directory as plain FITS files, for programs that cannot read compressed ones."""

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from fip.archive.file_names import IMAGE_LIST, LEDGER
from fip.archive.folder import Folder
from fip.archive.ledger import Ledger
from fip.data.errors import UsageError
from fip.fits.unpacked import unpacked


def export_images(directory: Path, output: Path, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Write all files of stored images, unpacked, and the list of the images in time order; return how many.

    Each appears whole. UsageError if the directory holds no images, or the folder is one that FIP stores in, or has a
    file of one of the names, or cannot be written; or a file cannot be read.
    """
    if not (directory / LEDGER).is_file():
        raise UsageError(f"{directory}: no {LEDGER} in it; give the folder that `fip run` stored images in")
    if (output / LEDGER).exists():
        raise UsageError(f"--output {output}: is a directory of stored images; give another folder")
    with closing(Ledger(directory, read_only=True)) as ledger:
        names = [each.name for each in ledger.listed()]
        listed = "".join(f"{name}\n" for name in ledger.images_in_time_order())
    if not names:
        raise UsageError(f"{directory}: no image is stored in it yet")
    try:
        with closing(Folder(output)) as folder:
            there = {*names, IMAGE_LIST} & set(folder.names())
            if there:
                raise UsageError(f"--output {output}: {min(there)} is there already; give another folder")
            for number, name in enumerate(names, 1):
                _write(folder, name, unpacked(directory / name))
                progress(number, len(names))
            _write(folder, IMAGE_LIST, listed.encode())
            folder.sync()
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written: {error.strerror}") from None
    return len(names)


def _write(folder: Folder, name: str, content: bytes) -> None:
    part = f".{name}.part"
    with suppress(FileNotFoundError):  # of an export that was cut off
        folder.unlink(part)
    try:
        folder.write_new(part, content)
        folder.replace(part, name)
    except BaseException:
        with suppress(OSError):
            folder.unlink(part)
        raise
