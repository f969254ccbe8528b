"""What telstate says becomes a set-up, and the solutions that it has become files: each of the numbers is katdal's."""

import json
import os
from pathlib import Path
from typing import Any

import katsdptelstate
import numpy as np
import pytest

from fip.config import Receiver
from fip.corrections.gains.opening import open_gains
from fip.corrections.observed import Expected, ExpectedWindow, Observed
from fip.data.errors import ConfigError, InputError
from fip.data.quantities import UNIX_EPOCH
from fip.receiver.meerkat import opening
from fip.receiver.meerkat.opening import open_stream
from fip.receiver.meerkat.products import Copier
from fip.receiver.meerkat.telstate import Telstate, observation_of, open_telstate
from fip.source.spooled.uvw import antenna_uvw
from fip.spool.layout import ENDED_FILE
from fip.spool.setup import Setup

BLOCK, SYNC, FIRST = "1700000000", 1_699_999_000.0, 1001.0
NAMES = ("m000", "m001", "m062")
OBSERVERS = {
    "m000": "m000, -30:42:39.8, 21:26:38.0, 1086.6, 13.5, -8.264 -207.29 8.597 5873.184 5875.444 -1.0, 0, 1.22",
    "m001": "m001, -30:42:39.8, 21:26:38.0, 1086.6, 13.5, 1.1205 -171.762 8.471 5880.208 5882.517 0.0, 0, 1.22",
    "m062": "m062, -30:42:39.8, 21:26:38.0, 1086.6, 13.5, -1832.911 3849.989 11.901 0 0 0, 0, 1.22",
}
TARGET = "J1939-6342 | *B1934-638, radec bfcal single_accumulation, 19:39:25.03, -63:42:45.6, (200.0 12000.0 -11.11)"


def telstate(**instead: Any) -> katsdptelstate.TelescopeState:
    """Return the telstate of a small subarray; `instead` has keys of the stream, None for one that is not there."""
    store = katsdptelstate.TelescopeState()
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    hands = ("hh", "vv", "hv", "vh")
    order = [(NAMES[i] + hand[0], NAMES[j] + hand[1]) for hand in hands for i, j in pairs]
    stream = {
        "n_chans": 32, "n_chans_per_substream": 8, "bandwidth": 856e6, "center_freq": 1284e6, "int_time": 2.0,
        "bls_ordering": order, "sync_time": SYNC, "need_weights_power_scale": True, **instead,
    }  # fmt: skip
    for name, value in stream.items():
        if value is not None:
            store.view("sdp_l0")[name] = value
    store.add("sdp_capture_block_id", BLOCK, ts=SYNC)
    store.view(store.join(BLOCK, "sdp_l0"))["first_timestamp"] = FIRST
    store.view(BLOCK)["obs_params"] = {"observer": "A. Nother", "proposal_id": "SCI-2026"}
    for name, text in OBSERVERS.items():
        store[f"{name}_observer"] = text
    store.add("cbf_target", "other, radec, 1:00:00, -20:00:00", ts=SYNC + 10)
    store.add("cbf_target", TARGET, ts=SYNC + 900)
    store.add("cbf_target", "Sun, special", ts=SYNC + 1100)
    store.add("cbf_target", "Field 3, radec target, 20:00:00.00, -60:30:00.0", ts=SYNC + 1200)
    return store


KATPOINTS = {
    "m000": (5109271.497754281, 2006808.893184971, -3239130.736396077),
    "m001": (5109284.854477657, 2006824.221880692, -3239100.1267157714),
    "m062": (5111869.864242632, 2005869.1284211285, -3235644.162969958),
}
"""Where katpoint 0.10.3 has these antennas, m (`Antenna(...).position_ecef`)."""
KATPOINTS_UVW = {
    (0, 1): (-12.888265582528987, 0.5700259852541691, 34.407719786413224),
    (0, 2): (-2636.1319291366285, -2306.6023481659035, 2742.490571449231),
    (1, 2): (-2623.2436635541, -2307.172374151158, 2708.082851662818),
}
"""u1 - u2, ... of katpoint (`Target.uvw`) of integration 3, m, as katdal has them for V as it is in the stream."""


def test_antennas_and_targets_are_where_katpoint_has_them() -> None:
    setup = observation_of(Telstate(telstate(), "telstate")).setup
    for each in setup.antennas:
        np.testing.assert_allclose(each.position, KATPOINTS[each.name], rtol=0, atol=1e-4)
    assert [each.diameter for each in setup.antennas] == [13.5] * 3
    target = setup.targets[0]
    np.testing.assert_allclose((target.ra, target.dec), (5.146178203219012, -1.1119958085589738), rtol=0, atol=1e-12)
    positions = np.array([each.position for each in setup.antennas])
    found = antenna_uvw(SYNC + FIRST + 3 * setup.cadence, target.ra, target.dec, positions)
    for (i, j), uvw in KATPOINTS_UVW.items():
        np.testing.assert_allclose(found[i] - found[j], uvw, rtol=0, atol=0.3)  # katpoint knows no UT1: 0.2 s


def test_telstate_becomes_a_set_up() -> None:
    found = observation_of(Telstate(telstate(), "telstate"))
    setup = found.setup
    assert (setup.name, setup.cadence, setup.flags, setup.weights, setup.uvw) == (BLOCK, 2.0, True, True, False)
    assert (setup.telescope, setup.observer, setup.project) == ("MeerKAT", "A. Nother", "SCI-2026")
    assert setup.bands[0].first == 856e6 and setup.bands[0].step == 26.75e6 and setup.bands[0].channels == 32
    assert [each.name for each in setup.antennas] == list(NAMES)
    assert setup.products[0] == (0, 0, "XX") and setup.products[-1] == (2, 2, "YX")
    assert setup.products[13] == (0, 1, "XY")
    assert [each.name for each in setup.targets] == ["B1934-638", "Field 3"]
    assert (found.sync_time, found.per_heap, found.first, found.power_scale) == (SYNC, 8, FIRST, True)
    at = [SYNC + each for each in (0, 950, 1150, 1300)]
    assert [found.field_at(each) for each in at] == [0, 0, -1, 1]


@pytest.mark.parametrize(
    ("instead", "why"),
    [
        ({"sync_time": None}, "telstate: says nothing of sync_time of the stream sdp_l0 "),
        ({"n_chans_per_substream": 7}, "telstate: sdp_l0: n_chans is 32 and n_chans_per_substream 7"),
        ({"bls_ordering": [("m000x", "m000h")]}, "bls_ordering names the input 'm000x', and it should end in h or v"),
        ({"bls_ordering": [1, 2]}, "bls_ordering has the shape "),
        ({"int_time": -1.0}, "telstate: sdp_l0: cadence: Input should be greater than 0"),
        ({"int_time": "soon"}, "telstate: sdp_l0: could not convert string to float"),
    ],
)
def test_what_makes_no_sense_in_telstate_is_one_line(instead: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError) as caught:
        observation_of(Telstate(telstate(**instead), "telstate"))
    assert why in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_says_what_telstate_does(tmp_path: Path) -> None:
    said = {
        "stream": "sdp_l0",
        "block": BLOCK,
        "keys": {
            **{f"sdp_l0_{name}": value for name, value in (
                ("n_chans", 32), ("n_chans_per_substream", 8), ("bandwidth", 856e6), ("center_freq", 1284e6),
                ("int_time", 2.0), ("sync_time", SYNC), ("need_weights_power_scale", True),
                ("bls_ordering", telstate()["sdp_l0_bls_ordering"]),
            )},
            **{f"{name}_observer": text for name, text in OBSERVERS.items()},
            f"{BLOCK}_sdp_l0_first_timestamp": FIRST,
            f"{BLOCK}_obs_params": {"observer": "A. Nother", "proposal_id": "SCI-2026"},
        },
        "sensors": {"cbf_target": [[SYNC + 900, TARGET], [SYNC + 1200, "Field 3, radec, 20:00:00, -60:30:00"]]},
    }  # fmt: skip
    path = tmp_path / "said.json"
    path.write_text(json.dumps(said))
    found, expected = observation_of(open_telstate(str(path))), observation_of(Telstate(telstate(), "telstate"))
    assert found.setup == expected.setup
    path.write_text("[]")
    with pytest.raises(InputError, match=r"^receiver.setup: .*said.json: does not say what telstate does"):
        open_telstate(str(path))
    with pytest.raises(InputError, match=r"^receiver.setup: .*none.json: cannot be read: No such file"):
        open_telstate(str(tmp_path / "none.json"))


def test_a_receiver_without_endpoints_or_set_up_is_told_so() -> None:
    with pytest.raises(ConfigError, match=r"^receiver.listen: is empty"):
        open_stream(Receiver(format="meerkat-l0"))
    with pytest.raises(ConfigError, match=r"^receiver.setup: is empty"):
        open_stream(Receiver(format="meerkat-l0", listen=("udp://127.0.0.1:0",)))


def test_a_capture_block_whose_spool_has_ended_is_not_heard_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class WaitsError(Exception):
        pass

    def wait(_: float) -> None:
        raise WaitsError

    monkeypatch.setattr(opening, "open_telstate", lambda _: Telstate(telstate(), "telstate"))
    monkeypatch.setattr("fip.receiver.meerkat.opening.time.sleep", wait)
    asked = Receiver(format="meerkat-l0", listen=("udp://127.0.0.1:0",), setup="redis://telstate", spool=tmp_path)
    stream = open_stream(asked)
    stream.close()
    ended = tmp_path / stream.setup.folder / ENDED_FILE
    ended.parent.mkdir()
    ended.touch()
    with pytest.raises(WaitsError):
        open_stream(asked)
    assert f"waiting for telstate: telstate: the capture block {BLOCK} has ended" in caplog.text


def expected_of(setup: Setup, path: Path) -> Expected:
    """What gains are checked against."""
    band = setup.bands[0]
    frequency = band.first + band.step * np.arange(band.channels, dtype=np.float64)
    window = ExpectedWindow(0, frequency, np.full(band.channels, band.step), ("XX", "XY", "YX", "YY"))
    begin = SYNC + FIRST + UNIX_EPOCH
    return Expected(
        path=path, telescope="MeerKAT", antennas=tuple(each.name for each in setup.antennas),
        position=np.array([each.position for each in setup.antennas]), diameter=13.5, windows=(window,),
        fields={0: "Field 3"}, centres={}, begin=begin, end=begin, growing=True, primary_beam=None, epsilon=1e-5,
    )  # fmt: skip


KATDALS = {
    (1, 1): (np.nan, -0.0701569 + 0.0082429j, -0.0466503 + 0.0698189j, -0.0159329 + 0.0683154j),
    (2, 3): (0.0240394 + 0.1088884j, -0.1043796 + 0.001361j, 0.0638293 + 0.0375041j, -0.0682202 - 0.061941j),
    (0, 0): (np.nan, -0.0721099 - 0.0255325j, -0.0531692 - 0.0779792j, 0.0166334 - 0.0648477j),
}
"""By row and correlation: what katdal 0.23 (applycal.py) multiplies channels 0, 5, 17 and 31 by."""


def test_solutions_of_telstate_are_applied_as_katdal_applies_them(tmp_path: Path) -> None:
    store = telstate()
    draw = np.random.default_rng(3)
    cal = store.view("cal")
    order, antennas = ("v", "h"), ("m062", "m000", "m001")
    cal["antlist"], cal["pol_ordering"], cal["product_B_parts"] = list(antennas), list(order), 2
    cal["center_freq"], cal["bandwidth"], cal["n_chans"] = 1284e6, 856e6, 32
    delay = draw.normal(0, 1e-9, (2, 3))
    delay[1, 2] = np.nan
    bandpass = (draw.normal(1, 0.1, (32, 2, 3)) + 1j * draw.normal(0, 0.3, (32, 2, 3))).astype(np.complex64)
    bandpass[5, 0, 0] = bandpass[0, 1, 1] = np.nan
    gain = (draw.normal(3, 0.1, (2, 3)) + 1j * draw.normal(0, 2, (2, 3))).astype(np.complex64)
    block = store.view(store.join(BLOCK, "cal"))
    when = SYNC + FIRST - 100
    block.add("product_K", delay, ts=when)
    block.add("product_B0", bandpass[:16], ts=when + 1)
    block.add("product_G", gain, ts=when + 2)
    block.add("product_G", gain * 2, ts=when + 1e5)  # is of later
    folder = tmp_path / "block.gains"
    copier = Copier(Telstate(store, "telstate"), folder)
    assert copier.copy() == 4 and copier.copy() == 0
    block.add("product_B1", bandpass[16:], ts=when + 1)
    assert copier.copy() == 1
    assert {each.name[0] for each in folder.iterdir()} == {"K", "B", "G"}
    for each in folder.iterdir():
        os.utime(each, (1e9, 1e9))  # they have been left alone for long

    setup = observation_of(Telstate(store, "telstate")).setup
    frequency = setup.bands[0].first + setup.bands[0].step * np.arange(32, dtype=np.float64)
    first, second = np.triu_indices(3, 1)
    cell = (3, 32, 4)
    raw = (draw.normal(size=cell) + 1j * draw.normal(size=cell)).astype(np.complex64)
    observed = Observed(
        path=Path("spool.live"), field=0, spectral_window=0, frequency=frequency, width=np.full(32, 26.75e6),
        correlations=("XX", "XY", "YX", "YY"), antenna1=first.astype(np.int32), antenna2=second.astype(np.int32),
        integration=np.zeros(3, np.intp), time=np.full(3, SYNC + FIRST + UNIX_EPOCH), interval=np.full(3, 2.0),
        uvw=np.zeros((3, 3)), axes=np.eye(3)[None], visibility=raw.copy(), weight=np.ones(cell, np.float32),
        bad=np.zeros(cell, bool),
    )  # fmt: skip
    gains = open_gains(["telstate"], expected_of(setup, tmp_path / "block.live"))
    found = gains.apply(observed)

    filled = bandpass.copy()
    amplitude, phase = np.abs(bandpass[4:7:2, 0, 0]), np.unwrap(np.angle(bandpass[4:7:2, 0, 0]))
    filled[5, 0, 0] = amplitude.mean() * np.exp(1j * phase.mean())
    filled[0, 1, 1] = np.nan  # at the edge: there is nothing between which it lies
    g = np.exp(2j * np.pi * np.nan_to_num(delay) * frequency[:, None, None]) * filled * gain  # [channel, hand, antenna]
    at = [antennas.index(each.name) for each in setup.antennas]
    hands = [order.index(each) for each in "hv"]
    g = g[:, hands][:, :, at]
    for row, (i, j) in enumerate(zip(first, second, strict=True)):
        for number, (p, q) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            factor = g[:, p, i] * np.conj(g[:, q, j])
            bad = np.isnan(factor)
            wanted = raw[row, ~bad, number] / factor[~bad]
            np.testing.assert_allclose(found.visibility[row, ~bad, number], wanted, rtol=3e-5)
            assert np.array_equal(found.bad[row, :, number], bad)
    assert np.count_nonzero(found.bad) == 4
    for (row, number), factors in KATDALS.items():
        ratio = found.visibility[row, (0, 5, 17, 31), number] / raw[row, (0, 5, 17, 31), number]
        np.testing.assert_allclose(ratio[np.isfinite(factors)], np.array(factors)[np.isfinite(factors)], atol=3e-7)
    mean = np.nanmean(np.abs(bandpass) ** 2, axis=0)[hands][:, at]
    power = mean * np.abs(gain[hands][:, at]) ** 2
    np.testing.assert_allclose(found.weight[0, 0], [power[p, 0] * power[q, 1] for p, q in np.ndindex(2, 2)], rtol=1e-5)
