"""What is in a spool, as text."""

import time
from contextlib import closing
from pathlib import Path

import numpy as np

from fip.data.quantities import UNIX_EPOCH, iso_utc
from fip.spool.reading import Spool


def describe(path: Path) -> str:
    """Return some lines of plain text. InputError if it is no spool."""
    with closing(Spool(path)) as spool:
        setup, records, oldest = spool.setup, spool.records, spool.oldest()
    bands = ", ".join(f"{each.channels} from {each.first / 1e6:.6f} MHz" for each in setup.bands)
    lines = [
        ("of", f"{setup.name}, {setup.telescope or 'a telescope that is not said'}"),
        ("antennas", f"{len(setup.antennas)}, of which {len(setup.products)} products are correlated"),
        ("channels", bands),
        ("cadence", f"{setup.cadence:g} s"),
        ("came", f"{len(records)} integrations"),
    ]
    if records.size:
        first, last = records[0], records[-1]
        dumps = int(last["dump"]) - int(first["dump"]) + 1
        there = len(records) - oldest
        lines += [
            ("", f"{dumps - len(records)} of the dumps {first['dump']} to {last['dump']} are not among them"),
            ("", f"{float(np.mean(records['received'])):.2%} of their samples"),
            ("begins", f"{iso_utc(float(first['time']) + UNIX_EPOCH)} UTC"),
            ("ends", f"{iso_utc(float(last['time']) + UNIX_EPOCH)} UTC"),
            ("in the ring", f"{there} integrations, {there * int(last['nbytes']) / 1e9:.3g} GB"),
        ]
        if oldest:
            lines.append(("", f"{oldest} have left it"))
    lines.append(("more", "no: it has ended" if spool.ended else _awaited(records)))
    width = max(len(name) for name, _ in lines)
    return "\n".join([str(path), *(f"  {name:<{width}}  {text}".rstrip() for name, text in lines)])


def _awaited(records: "np.ndarray[tuple[int], np.dtype[np.void]]") -> str:
    if not records.size:
        return "nothing came yet"
    return f"comes: the newest was committed {max(0.0, time.time() - float(records[-1]['arrived'])):.0f} s ago"
