"""Sends a stream that FIP hears: needs numpy, and nothing of FIP. docs/streams.md says what each byte means.

python examples/send_stream.py small.json                  # writes the set-up, which the receiver is to have as well
fip-receiver --config fip.toml                             # [receiver] listen = ["udp://127.0.0.1:7148"], setup = "small.json"
python examples/send_stream.py small.json 127.0.0.1 7148   # then this sends: a source of 1 Jy, in noise, that flashes
"""

import hashlib
import json
import math
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ANTENNAS, CHANNELS, CADENCE, INTEGRATIONS = 16, 64, 0.5, 20
PRODUCTS = [[a, b, hand] for a in range(ANTENNAS) for b in range(a + 1, ANTENNAS) for hand in ("XX", "YY")]
LONGITUDE, LATITUDE, RADIUS = 0.3741, -0.5361, 6371e3  # rad, rad, m
MAGIC, VERSION, SAMPLES, END = b"FIPs", 1, 1, 3


def position(number: int) -> list[float]:
    """ITRF, m, of an antenna on a spiral."""
    along, turn = 20.0 * number, 2.4 * number
    lon, lat = LONGITUDE + along * math.cos(turn) / RADIUS, LATITUDE + along * math.sin(turn) / RADIUS
    return [RADIUS * c for c in (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))]


def zenith(when: float) -> float:
    """Right ascension, rad, of what is overhead then: good to a degree, and that does for where to look."""
    return math.radians(280.46 + 360.98564737 * ((when - 946728000.0) / 86400.0)) + LONGITUDE


def setup(begin: float) -> dict[str, Any]:
    """What all integrations share. Every key is there, and real numbers are floats: so the digest is FIP's."""
    antennas = [{"name": f"a{n}", "position": position(n), "diameter": 12.0} for n in range(ANTENNAS)]
    target = {"name": "zenith", "ra": zenith(begin) % (2 * math.pi), "dec": LATITUDE}
    shared = {"name": "small", "cadence": CADENCE, "antennas": antennas, "products": PRODUCTS, "targets": [target]}
    shared |= {"bands": [{"first": 1.4e9, "step": 1e6, "channels": CHANNELS}], "telescope": "SMALL"}
    return shared | {"observer": "", "project": "", "flags": True, "weights": False, "uvw": False}


def packets(digest: bytes, dump: int, when: float, visibility: np.ndarray, flag: np.ndarray) -> Iterator[bytes]:
    """An integration [channel, product] in packets of four channels."""
    for first in range(0, CHANNELS, 4):
        some = slice(first, first + 4)
        place = struct.pack("<QdIIIIII", dump, when, 0, 0, 0, len(PRODUCTS), 4, first)
        header = MAGIC + struct.pack("<HH", VERSION, SAMPLES) + digest + place
        yield header + visibility[some].astype("<c8").tobytes() + flag[some].astype("u1").tobytes()


def main(path: str, host: str = "", port: str = "7148") -> None:
    """Writes the set-up, or reads it and sends what it describes."""
    if not host:
        Path(path).write_text(json.dumps(setup(time.time()), indent=1))
        return
    text = json.dumps(json.loads(Path(path).read_text()), sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()[:8]
    out, random = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), np.random.default_rng()
    first = math.ceil(time.time() / CADENCE)  # counted from 1970, so that no number comes twice, whoever starts again
    for dump in range(first, first + INTEGRATIONS):
        noise = random.normal(size=(CHANNELS, len(PRODUCTS), 2)) @ [1.0, 1.0j]
        visibility = noise + (10.0 if dump == first + INTEGRATIONS // 2 else 1.0)  # a source in the phase centre
        time.sleep(max(0.0, (dump + 1) * CADENCE - time.time()))
        for packet in packets(digest, dump, (dump + 0.5) * CADENCE, visibility, abs(noise) > 5):
            out.sendto(packet, (host, int(port)))
    for _ in range(5):  # packets are lost, so the end is said some times over
        out.sendto(
            MAGIC + struct.pack("<HH", VERSION, END) + digest + struct.pack("<QdIIIIII", 0, 0.0, 0, 0, 0, 1, 0, 0),
            (host, int(port)),
        )
        time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
