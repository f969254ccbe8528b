"""`fip.image` and `fip.write`: a slice to an image, by the function of the workers, and that to a file."""

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import get_ident

from fip.archive.file_names import LEDGER, file_name
from fip.archive.folder import Folder
from fip.archive.sky_image import SkyImage
from fip.data.errors import StoreError, UsageError
from fip.data.names import label
from fip.data.needs import codes
from fip.data.user_code import CodeKind, name_of
from fip.data.values import Slice
from fip.imaging.kernels import CPU
from fip.worker.imager import Imager
from fip.worker.user_code import Offers, imported, installed

IMAGERS_KEPT = 4  # the last used, one for each thread and set of stages: each prepares its kernels once
HERE = "here"  # the worker that images in this process
TEMPORARY = ".{}.part"


def image(values: Slice, device: str = CPU) -> SkyImage:
    """Image a slice, in this process, as a worker does: bit for bit what `fip run` stores.

    `device` is "cpu" or "cuda:N". Other images of the slice are beside it: image["psf"], if the slice was opened with
    make_psf=True, and those of stages. UsageError if the kernel does not run there, UserCodeError if a stage fails.
    """
    made = _imager(tuple(codes(values.settings)), get_ident())(values, device, HERE, 0.0)
    stem = label(Path(values.observation.measurement_set).stem)
    beside: dict[str, SkyImage] = {}
    for file in made.files:
        name = file_name(stem, made.label, made.integration, file.kind)
        beside[file.kind] = SkyImage(name, file.kind, memoryview(file.content), beside)
    return beside["dirty"]


@lru_cache(maxsize=IMAGERS_KEPT)
def _imager(asked: tuple[tuple[CodeKind, str], ...], thread: int) -> Imager:
    """What images slices in one thread, with code of users that is installed, or is a package.module:function."""
    found = [(kind, name_of(written)) for kind, written in asked]
    return Imager(Offers(tuple(imported(kind, name, installed(kind).get(name, name)) for kind, name in found)))


def write(image: SkyImage, to: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Write an image as a FITS file, whole or not at all: it is on disk when this returns. Returns its path.

    `to` is the file, or a folder, in which all images of its slice get the names that `fip run` gives them. UsageError
    if a file is there already, unless `overwrite`, or if `fip run` stores in that folder; StoreError if it cannot be
    written.
    """
    path = Path(to)
    if not path.is_dir():
        _write(path, image, overwrite)
        return path
    if (path / LEDGER).exists():
        raise UsageError(f"{path}: is a directory of stored images, which only `fip run` adds to: give another folder")
    for each in image.kinds.values():
        _write(path / each.name, each, overwrite)
    return path / image.name


def _write(path: Path, image: SkyImage, overwrite: bool) -> None:
    temporary = TEMPORARY.format(path.name)
    try:
        folder = Folder(path.parent, make=False)
    except OSError as error:
        raise StoreError(f"{path.parent}: cannot be written to: {error.strerror}") from None
    try:
        folder.write_new(temporary, image.content)
        if overwrite:
            folder.replace(temporary, path.name)
        else:
            folder.link(temporary, path.name)
        folder.sync()
    except FileExistsError:
        raise UsageError(f"{path}: is there already; overwrite=True replaces it") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):  # it is the file now
            folder.unlink(temporary)
        folder.close()
