"""The stages and kernels of users that a worker has: imported when it starts, each with the digest of its package.

They come from its own configuration, `[worker] stages` and `kernels`, and from the entry points `fip.stages` and
`fip.kernels` of what is installed beside FIP. Nobody who submits a job chooses code: a job has names.
"""

import hashlib
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any, get_args

from fip import __version__
from fip.config import Worker
from fip.data.errors import UserCodeError
from fip.data.settings import KERNELS
from fip.data.user_code import Code, CodeKind, parse_code
from fip.worker.stages import OWN_TIMES, PRIMARY_BEAM

log = logging.getLogger("fip.worker")

MOST_FILES = 10_000  # of a package whose digest is taken
_LEFT_OUT = ("__pycache__", ".git")


@dataclass(frozen=True)
class Offered:
    """A stage or kernel, imported."""

    code: Code
    function: Callable[..., Any]


@dataclass(frozen=True)
class Offers:
    """All that a worker has."""

    offered: tuple[Offered, ...] = ()

    @property
    def codes(self) -> tuple[Code, ...]:
        """Return what the worker says of its functions."""
        return tuple(each.code for each in self.offered)

    def find(self, kind: CodeKind, written: str) -> Callable[..., Any]:
        """Return the function that NAME@DIGEST asks for. UserCodeError if this worker does not have it."""
        for each in self.offered:
            if each.code.is_asked(kind, written):
                return each.function
        raise UserCodeError(f"this worker does not have {kind} {written}")


NOTHING = Offers()


def offers_of(worker: Worker) -> Offers:
    """Return what a worker has by its configuration and by what is installed; the configuration wins.

    Raises UserCodeError for what the configuration names and cannot be imported. What is installed and cannot be is
    logged, and left out.
    """
    found: dict[tuple[CodeKind, str], Offered] = {}
    for kind in get_args(CodeKind):
        named: Mapping[str, str] = worker.stages if kind == "stage" else worker.kernels
        for name, target in installed(kind).items() if worker.entry_points else ():
            if name not in named:
                try:
                    found[kind, name] = imported(kind, name, target)
                except UserCodeError as error:
                    own = target.startswith("fip.")  # it needs what is installed only if it is wanted
                    log.log(logging.INFO if own else logging.WARNING, "%s; it is left out", error)
        found |= {(kind, name): imported(kind, name, target) for name, target in named.items()}
    return Offers(tuple(found.values()))


def installed(kind: CodeKind) -> dict[str, str]:
    """Return the entry points of what is installed, as name -> package.module:function."""
    return {each.name: each.value.partition(" ")[0] for each in entry_points(group=f"fip.{kind}s")}


def imported(kind: CodeKind, name: str, target: str) -> Offered:
    """Return the function package.module:function. Raises UserCodeError, with what was found and what would do."""
    module, _, function = target.partition(":")
    if name in ((*OWN_TIMES, PRIMARY_BEAM) if kind == "stage" else KERNELS):
        raise UserCodeError(f"{kind} {name}: this is one of FIP's own: give yours another name")
    try:
        parse_code(name)
        found: Any = import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # noqa: BLE001 it is a stranger's, and says why
        why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise UserCodeError(
            f"{kind} {name}: {target} cannot be imported ({why}): name a function as package.module:function"
        ) from None
    if not callable(found):
        raise UserCodeError(f"{kind} {name}: {target} is {type(found).__name__} and no function")
    return Offered(Code(kind, name, _version(module), digest_of(module)), found)


def digest_of(module: str) -> str:
    """Return 16 hexadecimal digits of the files of an imported module's package: names and contents of all of them.

    For FIP's own package, which is one program on all hosts, they are those of the module alone. UserCodeError for a
    package of very many files, or one that has none.
    """
    own = module.partition(".")[0] == "fip"
    package = sys.modules[module if own else module.partition(".")[0]]
    folders = [] if own else [Path(each) for each in getattr(package, "__path__", ())]
    origin = getattr(package, "__file__", None)
    files = sorted(_files(folders)) if folders else [(Path(origin).name, Path(origin))] if origin else []
    if not 0 < len(files) <= MOST_FILES:
        raise UserCodeError(f"{module}: its package has {len(files)} files: have it in one of 1 to {MOST_FILES}")
    digest = hashlib.sha256()
    for name, path in files:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _files(folders: list[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_file() and not set(inside.parts) & set(_LEFT_OUT) and path.suffix != ".pyc":
                yield inside.as_posix(), path


def _version(module: str) -> str:
    package = module.partition(".")[0]
    if package == "fip":
        return __version__
    try:
        return version(package)[:40]
    except PackageNotFoundError:
        return str(getattr(sys.modules[package], "__version__", ""))[:40]
