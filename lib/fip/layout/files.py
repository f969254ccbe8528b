"""Files that an operator needs beside the package: systemd's units, configurations, Prometheus' rules, Grafana's board.

They are those of the checkout, to which `shipped` has links, and are inside the wheel.
"""

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fip.data.errors import UsageError

_OF_A_CHECKOUT = ".sh"  # what install.sh sources


def write_out(directory: Path) -> list[Path]:
    """Write them into a directory, as systemd/... and config/...; returns their paths.

    UsageError, with nothing written, if one is there already that is not the same, or the directory cannot be written.
    """
    wanted = {directory / name: content for name, content in _contents(files("fip.layout") / "shipped")}
    try:
        for path, content in wanted.items():
            if path.exists() and path.read_bytes() != content:
                raise UsageError(f"{path}: is there already, and is another: name another folder, or move it away")
        for path, content in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{error.filename or directory}: cannot be written: {error.strerror}") from None
    return list(wanted)


def _contents(folder: Traversable, under: str = "") -> Iterator[tuple[str, bytes]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _contents(each, f"{under}{each.name}/")
        elif not each.name.endswith(_OF_A_CHECKOUT):
            yield f"{under}{each.name}", each.read_bytes()
