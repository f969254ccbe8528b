"""Opening a stream by the name of its format: FIP's own, MeerKAT's, or what another package hears.

Such a package has an entry point in the group `fip.streams`: its name is what `[receiver] format` says, and it is an
`OpenStream`. It is imported only if it is asked for: docs/extending/stream.md.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from fip.config import Receiver
from fip.data.errors import ConfigError, FipError, first_line
from fip.receiver.part import OpenStream, Stream

GROUP = "fip.streams"
KNOWN: Mapping[str, str] = MappingProxyType(
    {"fip": "fip.receiver.datagrams.stream", "meerkat-l0": "fip.receiver.meerkat.opening"}
)
"""The module of each of FIP's own; its `open_stream` opens it, and it is imported only then."""


def open_stream(receiver: Receiver) -> Stream:
    """Open the stream that `[receiver]` asks for. ConfigError or InputError, of one line, if it cannot be heard."""
    name = receiver.format
    opens = _known(name) if name in KNOWN else _others(name)
    try:
        return opens(receiver)
    except FipError:
        raise
    except Exception as error:  # whatever is wrong with a package of somebody else's is said of that package
        why = f"{type(error).__name__}: {first_line(error)}"
        raise ConfigError(f"receiver.format: {name}, which {opens.__module__} hears: {why}") from error


def _known(name: str) -> OpenStream:
    try:
        opens: OpenStream = import_module(KNOWN[name]).open_stream
    except ModuleNotFoundError as error:
        needs = f"needs {error.name}, which is not installed: pip install 'fip[live]'"
        raise ConfigError(f"receiver.format: {name} {needs}") from None
    return opens


def _others(name: str) -> OpenStream:
    """Return what opens streams of a format of another package."""
    every = entry_points(group=GROUP)
    found = tuple(every.select(name=name))
    if not found:
        known = ", ".join(sorted({*KNOWN, *every.names}))
        raise ConfigError(f"receiver.format: {name} is none that is known here: {known}; docs/extending/stream.md")
    if len(found) > 1:
        packages = " and ".join(sorted(_package(each) for each in found))
        raise ConfigError(f"receiver.format: {packages} both hear {name} ({GROUP}): uninstall one of them")
    try:
        opens: OpenStream = found[0].load()
    except (Exception, SystemExit) as error:  # noqa: BLE001 it is a stranger's, and says why
        why = f"{type(error).__name__}: {first_line(Exception(str(error)))}"
        raise ConfigError(f"receiver.format: {name}: {found[0].value} of {_package(found[0])}: {why}") from None
    if not callable(opens):
        raise ConfigError(f"receiver.format: {name}: {found[0].value} of {_package(found[0])} is no function")
    return opens


def _package(found: EntryPoint) -> str:
    return f"package {found.dist.name}" if found.dist else "a package"
