"""What a run needs beside its data: code of users, and the files that corrections are read from. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fip.data.corrections import is_file, with_files
from fip.data.settings import KERNELS, Imaging, Selection
from fip.data.user_code import CodeKind

Selected = TypeVar("Selected", bound=Selection)


def codes(imaging: Imaging) -> Iterator[tuple[CodeKind, str]]:
    """The code of users that is asked for, NAME or NAME@DIGEST: stages, and a kernel that is not FIP's."""
    yield from (("stage", each) for each in imaging.stages)
    if imaging.kernel not in KERNELS:
        yield "kernel", imaging.kernel


def with_codes(imaging: Imaging, settle: Callable[[CodeKind, str], str]) -> Imaging:
    """The same with each name of a user's code as `settle` has it: NAME@DIGEST."""
    settled = {key: settle(*key) for key in codes(imaging)}
    stages = tuple(settled["stage", each] for each in imaging.stages)
    return replace(imaging, stages=stages, kernel=settled.get(("kernel", imaging.kernel), imaging.kernel))


def files_of(selection: Selection) -> Iterator[str]:
    """The files and folders that corrections are read from."""
    yield from filter(is_file, (*selection.gains, selection.flag, *selection.sky_model))


def sets_of(path: str, selection: Selection) -> Iterator[str]:
    """The sets that are imaged as one, or the one."""
    yield path
    yield from selection.join[1:]


def another(path: Path | str, selection: Selection, when: str) -> str:
    """Say in one line that a run is not the one that it was: its recording or its files have changed."""
    files = ", ".join(files_of(selection))
    return f"{path}: is another one than {when}" + (
        f", or one of the files that correct it is: {files}" if files else ""
    )


def with_whole_paths(selection: Selected) -> Selected:
    """Return the same with each of these files by its whole path, as somebody elsewhere needs it."""

    def whole(written: str) -> str:
        return str(Path(written).absolute())

    return replace(
        selection,
        gains=tuple(with_files(each, whole) for each in selection.gains),
        flag=with_files(selection.flag, whole),
        sky_model=tuple(with_files(each, whole) for each in selection.sky_model),
    )
