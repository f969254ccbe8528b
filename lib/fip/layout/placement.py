"""Which systemd units a host of a layout runs, and which folders they write beside FIP's own.

`install.sh node` asks by `python -m fip.layout.placement HOST CONFIG PLAN`, which fills the folder PLAN: `units` and
`folders`, one a line, the latter after their user, and for each unit that needs one a drop-in, `UNIT.d/50-layout.conf`.
"""

import sys
from pathlib import Path

from fip.config import OWN_FORMAT, Config, load
from fip.data.addresses import is_local
from fip.data.errors import ConfigError
from fip.layout.reading import cores, readers_for

DROP_IN = "50-layout.conf"
OWN = {  # StateDirectory= of the units, and the user that each of them runs as
    "fip-ventilator.service": (Path("/var/lib/fip-ventilator"), "fip"),
    "fip-sink.service": (Path("/var/lib/fip"), "fip"),
    "fip-monitor.service": (Path("/var/lib/fip-monitor"), "fip-monitor"),
    "fip-detector.service": (Path("/var/lib/fip"), "fip"),  # beside the images
    "fip-follower.service": (Path("/var/lib/fip-follower"), "fip-follower"),  # one of each name
    "fip-receiver.service": (Path("/var/lib/fip-receiver"), "fip-receiver"),
}
_MADE = "# Made by `install.sh node` from the layout, and made again by the next: edit /etc/fip/fip.toml instead.\n"
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))  # what ProtectHome= hides


def units(config: Config, host: str) -> tuple[str, ...]:
    """Return the units of a host, in the order in which the layout names what they run; with a ventilator, its readers.

    ConfigError if the layout does not have the host.
    """
    runs = config.runs_on(host)
    readers = readers_for(config, cores()) if "ventilator" in runs else 0
    return (
        *(f"fip-{what.replace('.', '@', 1)}.service" for what in runs),
        *(f"fip-reader@{number}.service" for number in range(readers)),
    )


def folders(config: Config, unit: str) -> tuple[Path, ...]:
    """Return a unit's folders beside FIP's own. systemd must have their names, else they are read-only."""
    if unit.startswith("fip-follower@"):
        folder = config.follower[unit.removeprefix("fip-follower@").removesuffix(".service")].folder
        return () if folder is None or folder.is_relative_to(_own(unit)[0]) else (folder,)
    needs = {
        "fip-ventilator.service": (config.ventilator.queue.parent,),
        "fip-sink.service": (config.sink.directory, *([config.sink.ledger] if config.sink.ledger else [])),
        "fip-detector.service": (config.detector.directory or config.sink.directory,),
        "fip-monitor.service": (config.monitor.token_file.parent,),
        "fip-receiver.service": (config.receiver.spool,),
    }
    return tuple(path for path in needs.get(unit, ()) if not path.is_relative_to(OWN[unit][0]))


def _own(unit: str) -> tuple[Path, str]:
    """The folder that a unit writes in any case, and the user that it runs as."""
    return OWN[f"{unit.partition('@')[0]}.service" if "@" in unit else unit]


def drop_in(config: Config, unit: str) -> str:
    """Return the drop-in with a unit's folders, network access, and leave to compile; "" if it needs none of these."""
    needed, more = folders(config, unit), "IPAddressAllow=any\n" if _leaves_host(config, unit) else ""
    if unit == "fip-receiver.service" and config.receiver.format != OWN_FORMAT:
        more += "MemoryDenyWriteExecute=no\n"
        more += "Restart=always\n" if "://" in config.receiver.setup else ""  # when a stream ends, another one begins
    if not needed:
        return f"{_MADE}[Service]\n{more}" if more else ""
    paths = " ".join(_quoted(path) for path in needed)
    home = any(path.is_relative_to(home) for path in needed for home in HOMES)
    return (
        f"{_MADE}[Unit]\nRequiresMountsFor={paths}\n\n"
        f"[Service]\nReadWritePaths={paths}\n" + ("ProtectHome=read-only\n" if home else "") + more
    )


def _leaves_host(config: Config, unit: str) -> bool:
    """Whether a unit that is confined to its host has somebody elsewhere to talk to."""
    elsewhere = any(target.external for target in config.alerts.values())
    return unit == "fip-detector.service" and (elsewhere or not is_local(config.ventilator.control))


def _quoted(path: Path) -> str:
    """A path in a unit file: in quotes, without its specifiers and escapes."""
    if not path.is_absolute() or "\n" in str(path):
        raise ConfigError(f"'{path}' is relative to where a daemon starts: give a path that begins with /")
    text = str(path)
    for character in ("\\", '"'):
        text = text.replace(character, "\\" + character)
    return '"' + text.replace("%", "%%") + '"'


def main() -> None:
    """Write the plan of a host."""
    host, file, plan = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        config = load(file).config
        placed = units(config, host)
        texts = {unit: drop_in(config, unit) for unit in placed}
    except ConfigError as error:
        sys.exit(f"fip: {error}")
    for unit, text in texts.items():
        if text:
            (plan / f"{unit}.d").mkdir()
            (plan / f"{unit}.d" / DROP_IN).write_text(text)
    (plan / "units").write_text("".join(f"{unit}\n" for unit in placed))
    written = dict.fromkeys(f"{_own(unit)[1]} {path}\n" for unit in placed for path in folders(config, unit))
    (plan / "folders").write_text("".join(written))


if __name__ == "__main__":
    main()
