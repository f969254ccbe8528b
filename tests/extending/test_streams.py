"""Stream formats by name: the recipe's is heard, and what cannot be is said in a line."""

import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fip.config import Receiver
from fip.data.errors import ConfigError
from fip.receiver.datagrams.stream import DatagramStream
from fip.receiver.formats import open_stream
from fip.spool.setup import SETUP
from support.made_streams import arrays_of, heard, small_setup
from support.recipes import code_of, install, toml_of

SETTINGS = toml_of("stream", "[project]")
SETUP_OF = small_setup(extras=False, uvw=False)


@pytest.fixture
def setup(tmp_path: Path) -> str:
    """The path of a set-up."""
    path = tmp_path / "small.json"
    path.write_bytes(SETUP.dump_json(SETUP_OF))
    return str(path)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the recipe for a test and yield its folder."""
    folder = tmp_path / "installed"
    install(folder, monkeypatch, {"fip_simple.py": code_of("stream")}, SETTINGS)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("fip_simple", None)


def refusal(format_: str, setup: str = "") -> str:
    """Why a format cannot be opened, in a line."""
    with pytest.raises(ConfigError) as caught:
        open_stream(Receiver(format=format_, listen=("udp://127.0.0.1:0",), setup=setup))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("installed")
def test_the_stream_of_the_recipe_is_heard(setup: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    listen = f"udp://127.0.0.1:{address[1]}"
    stream = open_stream(Receiver(format="simple", listen=(listen,), setup=setup))
    sent = arrays_of(SETUP_OF)["0.visibility"]
    assert len(code_of("stream").splitlines()) <= 75
    with heard(stream) as kept, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        assert stream.buffers[0].got > 0
        out.sendto(b"junk", address)
        out.sendto(struct.pack("<QdQ", 7, float("nan"), 0) + sent[0].tobytes(), address)
        for channel, values in enumerate(sent):
            out.sendto(struct.pack("<QdQ", 7, 1.8e9, channel) + values.tobytes(), address)
        with kept.changed:
            came = kept.changed.wait_for(
                lambda: 7 in kept.dumps and not np.isnan(kept.dumps[7]["0.visibility"]).any(), 20
            )
        assert came
    assert np.array_equal(kept.dumps[7]["0.visibility"], sent)
    assert kept.refused.total() == 2


def test_fips_own_are_opened_by_their_names(setup: str) -> None:
    stream = open_stream(Receiver(listen=("udp://127.0.0.1:0",), setup=setup))
    assert isinstance(stream, DatagramStream)
    stream.close()


def test_a_format_that_is_not_known_or_cannot_be_imported_is_said_in_a_line(
    installed: Path, monkeypatch: pytest.MonkeyPatch, setup: str
) -> None:
    assert refusal("spam") == (
        "receiver.format: spam is none that is known here: fip, meerkat-l0, simple; docs/extending/stream.md"
    )
    for name in [name for name in sys.modules if name.startswith("fip.receiver.meerkat")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "spead2", None)
    assert "is not installed: pip install 'fip[live]'" in refusal("meerkat-l0")
    simple = installed / "fip_simple.py"
    for code, why in (
        (
            "1 / 0",
            "receiver.format: simple: fip_simple:open_simple of package recipes: ZeroDivisionError: division by zero",
        ),
        ("open_simple = 3", "receiver.format: simple: fip_simple:open_simple of package recipes is no function"),
        (
            "def open_simple(receiver):\n    raise KeyError('that')",
            "receiver.format: simple, which fip_simple hears: KeyError: 'that'",
        ),
    ):
        sys.modules.pop("fip_simple", None)
        simple.with_suffix(".pyc").unlink(missing_ok=True)
        simple.write_text(code)
        assert refusal("simple", setup) == why
    other = installed.parent / "other"
    install(other, monkeypatch, {}, SETTINGS)
    information = (other / "recipes-1.0.dist-info").rename(other / "other-1.0.dist-info") / "METADATA"
    information.write_text(information.read_text().replace("recipes", "other"))
    monkeypatch.syspath_prepend(str(other))
    assert refusal("simple") == (
        "receiver.format: package other and package recipes both hear simple (fip.streams): uninstall one of them"
    )
