"""What a selection leaves of a MeasurementSet, against the same picked by hand from its tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fip.data.errors import UsageError
from fip.data.selection import Average, UvRange, WindowChoice
from fip.data.settings import asked
from fip.data.values import Slice
from fip.imaging.beam import fit_beam
from fip.source.cutting import Run
from fip.source.open_run import open_run
from fip.source.selecting.matching import numbers_in_field, together
from fip.source.tables.measurement_set import Rows
from support import small_ms

PAIRS = 10  # baselines of five antennas
SPEED_OF_LIGHT = 299792458.0
TWO_BANDS = (small_ms.BAND[::-1].copy(), small_ms.BAND[:3] + 1e8)  # the first descends


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, small_ms.Columns]:
    """Twelve integrations of 10 s in four scans of two fields and two windows, each baseline with uvw of its own."""
    columns = small_ms.rows(12, windows=2)
    dump = np.repeat(np.arange(12), 2 * PAIRS)
    columns["SCAN_NUMBER"] = (dump // 3 + 3).astype(np.int32)  # 3, 4, 5, 6
    columns["FIELD_ID"] = (dump // 3 % 2).astype(np.int32)
    columns["UVW"] = columns["UVW"] * (1 + 0.01 * dump[:, None])
    fields = [("cal", (1.0, -0.5)), ("target", (1.1, -0.5))]
    path = tmp_path_factory.mktemp("varied") / "varied.ms"
    return small_ms.write(path, columns, bands=TWO_BANDS, fields=fields), columns


def opened(path: Path, **subset: Any) -> Run:
    """A run of a selection."""
    return open_run(path, asked(**subset))


def cut(path: Path, **subset: Any) -> list[Slice]:
    """All slices of a selection."""
    run = opened(path, **subset)
    try:
        return [run.read(number) for number in range(len(run.slices))]
    finally:
        run.close()


def samples(pieces: list[Slice]) -> NDArray[np.float64]:
    """All samples that count, [sample, (u, v, w in wavelengths, frequency, real, imaginary)], in one order."""
    found = []
    for piece in pieces:
        for block in piece.blocks:
            row, channel = np.nonzero(block.weight[0])
            frequency = block.frequency[channel]
            value = block.visibility[0, row, channel] / block.weight[0, row, channel]
            found.append(np.column_stack([block.uvw[row], frequency, value.real, value.imag]))
    return ordered(np.concatenate(found))


def by_hand(columns: small_ms.Columns, keep: NDArray[np.bool_], channels: dict[int, list[int]]) -> NDArray[np.float64]:
    """The samples of rows `keep` and of channels of each data description, as `samples` gives them."""
    found = []
    for window, chosen in channels.items():
        here = keep & (columns["DATA_DESC_ID"] == window)
        picked = {name: values[here] for name, values in columns.items()}
        frequency = TWO_BANDS[window][chosen]
        values = small_ms.point_source(picked, frequency, 4)[..., 0]
        uvw = np.repeat(picked["UVW"], frequency.size, axis=0)
        found.append(np.column_stack([uvw, np.tile(frequency, here.sum()), values.real.ravel(), values.imag.ravel()]))
    return ordered(np.concatenate(found))


def ordered(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows sorted by place and frequency."""
    return rows[np.lexsort(rows[:, :4].T)]


EVERYTHING = {0: [0, 1, 2, 3], 1: [0, 1, 2]}


def in_time(columns: small_ms.Columns, begin: float, end: float) -> NDArray[np.bool_]:
    """Rows from `begin` to before `end`, in s from the start."""
    time = columns["TIME"] - small_ms.START
    return (time >= begin) & (time < end)


def among(columns: small_ms.Columns, *antennas: int) -> NDArray[np.bool_]:
    """Rows of baselines among these antennas."""
    return np.isin(columns["ANTENNA1"], antennas) & np.isin(columns["ANTENNA2"], antennas)


@pytest.mark.parametrize(
    ("subset", "rule", "channels"),
    [
        ({"field": ("target",)}, lambda c: c["FIELD_ID"] == 1, EVERYTHING),
        ({"field": ("1", "cal")}, lambda c: c["FIELD_ID"] >= 0, EVERYTHING),
        ({"spw": (WindowChoice((1, 1)),)}, lambda c: c["TIME"] > 0, {1: [0, 1, 2]}),
        ({"spw": (WindowChoice((0, 0), ((0, 1), (3, 3))),)}, lambda c: c["TIME"] > 0, {0: [0, 1, 3]}),
        ({"spw": (WindowChoice((0, 1), ((1, 2),)),)}, lambda c: c["TIME"] > 0, {0: [1, 2], 1: [1, 2]}),
        ({"scan": ((4, 5),)}, lambda c: np.isin(c["SCAN_NUMBER"], [4, 5]), EVERYTHING),
        ({"scan": ((3, 3), (6, 9))}, lambda c: np.isin(c["SCAN_NUMBER"], [3, 6]), EVERYTHING),
        ({"antenna": ("!2",)}, lambda c: among(c, 0, 1, 3, 4), EVERYTHING),
        ({"antenna": ("0", "1", "4")}, lambda c: among(c, 0, 1, 4), EVERYTHING),
        ({"antenna": ("0", "1", "4", "!4")}, lambda c: among(c, 0, 1), EVERYTHING),
        ({"uv_range": UvRange(200, 400, "m")}, lambda c: np.abs(length(c) - 300) <= 100, EVERYTHING),
        ({"interval": (2, 4)}, lambda c: np.isin(number(c), [2, 3]), EVERYTHING),
        (
            {"time_range": (small_ms.START + 20, small_ms.START + 60)},
            lambda c: in_time(c, 20, 60),
            EVERYTHING,
        ),
    ],
)
def test_what_is_selected_is_imaged(
    varied: tuple[Path, small_ms.Columns], subset: dict[str, Any], rule: Any, channels: dict[int, list[int]]
) -> None:
    """Sample by sample what the same selection by hand gives: fields, windows, scans, antennas, lengths, times."""
    path, columns = varied
    found, expected = samples(cut(path, **subset)), by_hand(columns, rule(columns), channels)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found[:, :4], expected[:, :4])
    np.testing.assert_allclose(found[:, 4:], expected[:, 4:], atol=1e-6)


def length(columns: small_ms.Columns) -> NDArray[np.float64]:
    """Return |(u, v)| in m."""
    return np.hypot(columns["UVW"][:, 0], columns["UVW"][:, 1])


def number(columns: small_ms.Columns) -> NDArray[np.int64]:
    """Return a row's integration in its field, counted: scans of three integrations alternate between two fields."""
    dump = np.rint((columns["TIME"] - small_ms.START) / 10).astype(int)
    in_field: NDArray[np.int64] = dump // 6 * 3 + dump % 3
    return in_field


def test_wavelengths_are_those_of_each_channel(varied: tuple[Path, small_ms.Columns]) -> None:
    """A range in wavelengths takes other baselines in each channel, both ends included, and counts them so."""
    path, columns = varied
    # Just above that of the longest baseline in the second channel: rounding decides nothing.
    longest = (1 + 1e-9) * float(length(columns).max()) * small_ms.BAND[1] / SPEED_OF_LIGHT
    pieces = cut(path, uv_range=UvRange(1000, longest, "lambda"))
    expected = by_hand(columns, columns["TIME"] > 0, EVERYTHING)
    wavelengths = np.hypot(expected[:, 0], expected[:, 1]) * expected[:, 3] / SPEED_OF_LIGHT
    np.testing.assert_array_equal(
        samples(pieces)[:, :4], expected[(wavelengths >= 1000) & (wavelengths <= longest), :4]
    )
    assert sum(piece.samples for piece in pieces) == len(samples(pieces)) < len(expected)


def test_numbers_are_those_before_any_selection(varied: tuple[Path, small_ms.Columns]) -> None:
    """They count in the field, whatever is selected of it; the field stays in the names when one of two is picked."""
    path, _ = varied
    told = [(piece.label, piece.integration) for piece in cut(path, field=("target",), scan=((6, 6),))]
    assert told == [("target", 3), ("target", 4), ("target", 5)]
    told = [(piece.label, piece.integration) for piece in cut(path, interval=(2, 4))]
    assert told == [("cal", 2), ("target", 2), ("cal", 3), ("target", 3)]
    begin = small_ms.START + 35  # between the first and the second integration of the field target
    assert [piece.integration for piece in cut(path, time_range=(begin, begin + 20))] == [1, 2]


def test_averaged_integrations_are_one_slice(varied: tuple[Path, small_ms.Columns]) -> None:
    """All their samples at their own uvw, never across a scan; the first's number, begin to end, summed exposure."""
    path, _ = varied
    single, averaged = cut(path), cut(path, average=Average(2, "integrations"))
    assert [(piece.label, piece.integration) for piece in averaged] == [
        *[("cal", 0), ("cal", 2), ("target", 0), ("target", 2)],
        *[("cal", 3), ("cal", 5), ("target", 3), ("target", 5)],
    ]
    np.testing.assert_array_equal(samples(averaged[:1]), samples(single[:2]))
    np.testing.assert_array_equal(samples(averaged[1:2]), samples(single[2:3]))
    times = averaged[0].times
    assert (times.begin, times.end) == (single[0].times.begin, single[1].times.end)
    assert (times.average, times.exposure) == pytest.approx((small_ms.START + 5, 18), rel=1e-12)
    assert averaged[1].times == single[2].times
    assert averaged[0].samples == 2 * single[0].samples


@pytest.mark.parametrize(
    ("seconds", "sizes"), [(1, [1] * 9), (20, [2, 2, 1, 2, 2]), (29, [3, 2, 3, 1]), (30, [3, 2, 3, 1]), (1e9, [5, 4])]
)
def test_averages_of_some_seconds(seconds: float, sizes: list[int]) -> None:
    """Integrations of 10 s whose middle is within that time of the first one's beginning; two series stay apart."""
    series, time = np.repeat([0, 1], [5, 4]), np.linspace(0, 80, 9)
    groups = together(Average(seconds, "s"), series, time, np.full(9, 10.0))
    assert [group.size for group in groups] == sizes
    assert np.concatenate(groups).tolist() == list(range(9))


def test_a_gap_ends_an_average_of_some_seconds() -> None:
    """After a gap the time is counted anew; series that alternate are averaged each by itself."""
    time = np.array([0.0, 10, 50, 60])
    groups = together(Average(40, "s"), np.zeros(4, int), time, np.full(4, 10.0))
    assert [group.tolist() for group in groups] == [[0, 1], [2, 3]]
    groups = together(Average(2, "integrations"), np.array([0, 1, 0, 1]), time, np.full(4, 10.0))
    assert [group.tolist() for group in groups] == [[0, 2], [1, 3]]


def test_numbers_count_within_a_field() -> None:
    """They begin with 0, in order of time."""
    assert numbers_in_field(np.array([7, 3, 7, 7, 3])).tolist() == [0, 0, 1, 2, 1]


def test_size_scale_and_band_are_those_of_what_is_selected(varied: tuple[Path, small_ms.Columns]) -> None:
    """Default pixels follow the selected baselines and channels, CRVAL3 and CDELT3 the selected channels."""
    path, columns = varied
    piece = cut(path, spw=(WindowChoice((0, 0), ((2, 3),)),), uv_range=UvRange(0, 300, "m"))[0]
    assert (piece.bands[0].centre, piece.bands[0].width) == pytest.approx((1.0005e9, 2e6))
    longest = length(columns)[length(columns) <= 300].max()
    assert piece.grid.scale == pytest.approx(SPEED_OF_LIGHT / 1.001e9 / 4 / longest, rel=0.05)
    assert piece.observation.antennas == 4  # all baselines of one are longer
    assert piece.observation.selection == "spw 0:2~3; uv_range 0m~300m"
    for most in (1000, 1500):
        in_wavelengths = cut(path, spw=(WindowChoice((1, 1)),), uv_range=UvRange(0, most, "lambda"))[0]
        wavelengths = length(columns)[:, None] * TWO_BANDS[1] / SPEED_OF_LIGHT
        finest = wavelengths[wavelengths <= most].max()
        assert in_wavelengths.grid.scale == pytest.approx(1 / (4 * finest), rel=0.05)


def test_antennas_that_are_left_out_are_not_counted(varied: tuple[Path, small_ms.Columns]) -> None:
    """NANT, samples and the nominal beam are those of the baselines kept."""
    path, _ = varied
    piece = cut(path, antenna=("!0",))[0]
    assert (piece.observation.antennas, piece.samples) == (4, 6 * 7)
    assert piece.nominal_beam == fit_beam(piece.blocks)


def test_what_is_not_selected_is_not_read(
    varied: tuple[Path, small_ms.Columns], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the selected channels of visibilities and flags are asked of the tables."""
    path, _ = varied
    run = opened(path, spw=(WindowChoice((0, 0), ((1, 2),)),))
    asked = []
    into = Rows.into

    def noted(rows: Rows, name: str, first: int, buffer: NDArray[Any], *channels: Any) -> NDArray[Any]:
        asked.append((name, buffer.shape[1:], channels))
        return into(rows, name, first, buffer, *channels)

    monkeypatch.setattr(Rows, "into", noted)
    run.read(0)
    run.close()
    assert asked == [("FLAG", (2, 4), ((1, 2),)), ("DATA", (2, 4), ((1, 2),))]


def test_windows_dumped_at_another_cadence_drop_out(tmp_path: Path) -> None:
    """If one of two windows is selected, the slices of the other are gone, not empty, and numbers stay."""
    fast, slow = small_ms.rows(6, cadence=10), small_ms.rows(2, cadence=30)
    slow["DATA_DESC_ID"][:] = 1
    slow["TIME"] += 1
    columns = {name: np.concatenate([fast[name], slow[name]]) for name in fast}
    path = small_ms.write(tmp_path / "two.ms", columns, bands=(small_ms.BAND, small_ms.BAND + 1e8))
    assert [piece.integration for piece in cut(path, spw=(WindowChoice((1, 1)),))] == [1, 5]


def test_any_selection_makes_another_run(varied: tuple[Path, small_ms.Columns]) -> None:
    """The run's id differs between any two selections."""
    path, _ = varied
    chosen: list[dict[str, Any]] = [
        {}, {"field": ("target",)}, {"spw": (WindowChoice((0, 0)),)}, {"spw": (WindowChoice((0, 0), ((0, 1),)),)},
        {"scan": ((3, 4),)}, {"antenna": ("!1",)}, {"uv_range": UvRange(0, 300, "m")}, {"interval": (0, 2)},
        {"time_range": (0, 1e10)}, {"average": Average(2, "integrations")}, {"average": Average(2, "s")},
    ]  # fmt: skip
    ids = []
    for each in chosen:
        run = opened(path, **each)
        ids.append(run.id)
        run.close()
    assert len(set(ids)) == len(chosen)


@pytest.mark.parametrize(
    ("subset", "says"),
    [
        ({"field": ("3C48",)}, r"--field 3C48: .* has no such field with data, but 0 cal, 1 target"),
        ({"field": ("2",)}, r"--field 2: .*0 cal, 1 target"),
        ({"spw": (WindowChoice((2, 5)),)}, r"--spw 2~5: .* no such window with data, but 0, 1"),
        ({"spw": (WindowChoice((1, 1), ((1, 3),)),)}, r"--spw 1:1~3: window 1 of .* has the channels 0~2"),
        ({"scan": ((3, 3), (7, 9))}, r"--scan 7~9: .* no such scan with data, but 3~6"),
        ({"scan": ((4, 4),), "field": ("cal",)}, r"--scan 4: .* but 3, 5"),
        ({"antenna": ("!m012",)}, r"--antenna m012: .* no such antenna with data, but 0 , 1 "),
        ({"antenna": ("3",)}, r"--antenna 3: leaves 1 of the 5 antennas"),
        ({"antenna": ("!0", "!1", "!2", "!3")}, r"leaves 1 of the 5"),
        ({"interval": (6, 9)}, r"--interval 6~9: .* what else is selected has 0~6"),
        ({"time_range": (0.0, 1.0)}, r"--time-range .* is from 2017-04-27T08:53:20"),
        ({"uv_range": UvRange(5e3, 6e3, "m")}, r"--uv-range 5000m~6000m: no sample of .* is left; its baselines reach"),
        ({"antenna": ("0", "1"), "uv_range": UvRange(500, 600, "m")}, r"--antenna 0,1 --uv-range 500m~600m: no sample"),
    ],
    ids=str,
)  # fmt: skip
def test_a_selection_that_cannot_be_met_is_refused(
    varied: tuple[Path, small_ms.Columns], subset: dict[str, Any], says: str
) -> None:
    """The line names the option, what was asked and what there is."""
    with pytest.raises(UsageError, match=says):
        opened(varied[0], **subset)


def test_an_antenna_is_known_by_its_name_before_its_number(tmp_path: Path) -> None:
    """Antennas named 5, 4, 3, 2, 1: `!1` leaves out the last, not the second."""
    columns = small_ms.rows(1)
    path = small_ms.write(tmp_path / "names.ms", columns, bands=TWO_BANDS[:1])
    with small_ms.edit(path / "ANTENNA") as table:
        table.putcol("NAME", ["5", "4", "3", "2", "1"])
    keep = (columns["ANTENNA1"] != 4) & (columns["ANTENNA2"] != 4)
    expected = by_hand(columns, keep, {0: [0, 1, 2, 3]})
    np.testing.assert_array_equal(samples(cut(path, antenna=("!1",)))[:, :4], expected[:, :4])


def test_an_antenna_is_known_by_its_station(tmp_path: Path) -> None:
    """As in VLBI: NAME may say ANT1 and STATION says EF. A name or a number that is the same comes first."""
    columns = small_ms.rows(1)
    path = small_ms.write(tmp_path / "stations.ms", columns, bands=TWO_BANDS[:1])
    with small_ms.edit(path / "ANTENNA") as table:
        table.putcol("NAME", ["ANT1", "ANT2", "ANT3", "ANT4", "EF"])
        table.putcol("STATION", ["EF", "2", "WB", "JB", "ON"])
    for named, left_out in (("!WB", 2), ("!EF", 4), ("!2", 2)):
        keep = (columns["ANTENNA1"] != left_out) & (columns["ANTENNA2"] != left_out)
        expected = by_hand(columns, keep, {0: [0, 1, 2, 3]})
        np.testing.assert_array_equal(samples(cut(path, antenna=(named,)))[:, :4], expected[:, :4])
    with pytest.raises(UsageError, match=r"no such antenna with data, but 0 ANT1 \(EF\), 1 ANT2 \(2\)"):
        opened(path, antenna=("YY",))


def test_the_log_tells_the_selection(varied: tuple[Path, small_ms.Columns]) -> None:
    """What was asked, how much of the data it is, and that an average does nothing if it does nothing."""
    run = opened(varied[0], scan=((4, 5),), average=Average(5, "s"))
    run.close()
    assert run.notes[0] == "selected: scan 4~5; average 5s: 6 of 12 integrations, 5 of 5 antennas"
    assert run.notes[1].startswith("warning: average is no more than one integration")
