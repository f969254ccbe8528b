"""A spool as a recording: the samples that came, and images bit for bit those of a MeasurementSet of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from fip.data.arriving import Writing
from fip.data.errors import InputError, LeftTheRingError, NotYetError, UsageError
from fip.data.quantities import UNIX_EPOCH
from fip.data.settings import asked
from fip.source.copying import copy_rows, part_of
from fip.source.growing import Growing, Whole
from fip.source.requests import fingerprint, look
from fip.source.sources import open_recording
from fip.source.spooled.export import export
from fip.source.spooled.uvw import antenna_uvw
from fip.source.tables.measurement_set import MeasurementSet
from fip.spool.layout import integration_file
from fip.spool.setup import Setup, Target
from fip.spool.writing import Open
from support.cut_slices import cut
from support.fip_command import fip, images
from support.spools import PRODUCTS, SETUP, fill, put, spool, writer

GRID: dict[str, Any] = {"size": (64, 64), "scale": 1e-5}
SHUFFLED = tuple(PRODUCTS[at] for at in np.random.default_rng(3).permutation(len(PRODUCTS)))
BY_HAND = tuple(sorted(PRODUCTS, key=lambda each: each.correlation))
LACKING = tuple(each for each in PRODUCTS if each.antenna1 != 1 or each.correlation in ("XX", "YY"))


def raw(setup: Setup, dump: int, folder: Path) -> Open:
    """What came of a dump."""
    opened = writer(folder, setup).begin(dump, 0.0, 0)
    fill(opened)
    return opened


def by_row(setup: Setup, dump: int, folder: Path) -> dict[str, dict[tuple[int, int, int], NDArray[Any]]]:
    """The samples of a dump by column, and by band and antennas: [channel, correlation], one by one."""
    arrays, hands = raw(setup, dump, folder).arrays, tuple(dict.fromkeys(each.correlation for each in setup.products))
    found: dict[str, dict[tuple[int, int, int], NDArray[Any]]] = {"DATA": {}, "FLAG": {}, "WEIGHT_SPECTRUM": {}}
    for band in range(len(setup.bands)):
        scale = arrays[f"{band}.scale"]
        for at, (one, other, hand) in enumerate(setup.products):
            values = {
                "DATA": arrays[f"{band}.visibility"][:, at],
                "FLAG": arrays[f"{band}.flag"][:, at] != 0,
                "WEIGHT_SPECTRUM": arrays[f"{band}.weight"][:, at] * scale,
            }
            for name, each in values.items():
                blank = {"DATA": np.nan, "FLAG": True, "WEIGHT_SPECTRUM": 0}[name]
                cell = found[name].setdefault((band, one, other), np.full((each.size, len(hands)), blank, each.dtype))
                cell[:, hands.index(hand)] = each
    return found


@pytest.mark.parametrize("products", [PRODUCTS, SHUFFLED, BY_HAND, LACKING])
def test_rows_have_the_samples_that_came(products: Any, tmp_path: Path) -> None:
    """Whatever order the products are in, and if there are none of some hands; some channels of some, too."""
    setup = replace(SETUP, products=products)
    main = open_recording(spool(tmp_path / "a", (3, 4), setup))
    rows = main.rows(range(len(main)))
    band, dump = rows.column("DATA_DESC_ID"), (rows.column("TIME") - rows.column("TIME")[0]) / 2
    first, second = rows.column("ANTENNA1"), rows.column("ANTENNA2")
    assert sorted(set(dump.tolist())) == [0, 1]
    truth = [by_row(setup, 3, tmp_path / "b"), by_row(setup, 4, tmp_path / "c")]
    for window in range(2):
        here = main.rows(range(len(main))).where(band == window)
        keys = [(int(dump[at]), (window, int(first[at]), int(second[at]))) for at in np.flatnonzero(band == window)]
        assert len(keys) == 2 * 15
        for name in truth[0]:
            whole = np.stack([truth[when][name][key] for when, key in keys])
            np.testing.assert_array_equal(here.column(name), whole)
            some = here.where(np.arange(len(here)) % 3 != 1)
            part = whole[np.arange(len(keys)) % 3 != 1]
            np.testing.assert_array_equal(some.column(name, 2, 7, (1, 3)), part[2:9, 1:4])
        assert here.column("FLAG").view(np.uint8).max() == 1
    with pytest.raises(InputError, match="rows of several windows"):
        rows.column("DATA")


@pytest.mark.parametrize("flag", ["none", "auto"])
@pytest.mark.parametrize("setup", [SETUP, replace(SETUP, products=SHUFFLED, flags=False, weights=False)])
def test_slices_are_bit_for_bit_those_of_a_set_of_the_same_data(flag: str, setup: Setup, tmp_path: Path) -> None:
    """Uvw, frequencies, visibilities and weights, be there flags and weights or not, and some of it missing."""

    def alter(opened: Open) -> None:
        opened.arrays["0.visibility"][2:4, 7:23] = np.nan
        opened.arrays["0.visibility"][9] *= 100  # interference

    path, ms = spool(tmp_path, range(4), setup, alter=alter), tmp_path / "out.ms"
    assert export(path, ms) == (4, 0)
    mine, its = (cut(each, stokes="IQUV", flag=flag, channels_out=2, **GRID) for each in (path, ms))
    assert len(mine) == len(its) == 4
    for one, other in zip(mine, its, strict=True):
        assert one.times == other.times
        assert (one.grid, one.settings, one.complete) == (other.grid, other.settings, other.complete)
        assert one.fingerprint == other.fingerprint
        assert len(one.blocks) == len(other.blocks)
        for a, b in zip(one.blocks, other.blocks, strict=True):
            for name in ("uvw", "frequency", "visibility", "weight"):
                np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert 0 < mine[0].complete < 1
    plain = cut(path, stokes="IQUV", channels_out=2, **GRID)
    assert (flag == "none") == (mine[0].fingerprint == plain[0].fingerprint)


def test_a_set_that_is_exported_has_the_samples_that_came(tmp_path: Path) -> None:
    """casacore reads them: those of the one band by their shape, and those of both."""
    for number, bands in enumerate((SETUP.bands, SETUP.bands[1:])):
        setup = replace(SETUP, bands=bands, products=SHUFFLED)
        path, ms = spool(tmp_path / f"{number}", (3, 5), setup), tmp_path / f"{number}.ms"
        export(path, ms)
        main = MeasurementSet(ms)
        for dump, first in ((3, 0), (5, len(main) // 2)):
            truth = by_row(setup, dump, tmp_path / f"raw{number}{dump}")
            for row in range(first, first + len(main) // 2):
                rows = main.rows(range(row, row + 1))
                key = tuple(int(rows.column(name)[0]) for name in ("DATA_DESC_ID", "ANTENNA1", "ANTENNA2"))
                for name, cells in truth.items():
                    np.testing.assert_array_equal(rows.column(name)[0], cells[key])  # type: ignore[index]
                assert rows.column("TIME")[0] == 1.79e9 + 2 * dump + UNIX_EPOCH
        main.close()


def test_the_share_that_came_is_told_and_what_came_not_has_no_part_in_the_image(tmp_path: Path) -> None:
    """One of ten cross-correlations lacks four of its 26 channels."""
    baselines = [at for at, each in enumerate(PRODUCTS) if each.antenna1 != each.antenna2]

    def alter(opened: Open) -> None:
        if opened.dump == 1:
            opened.arrays["0.visibility"][:4, baselines[:3]] = np.nan  # three hands of one baseline

    one, other = cut(spool(tmp_path, range(2), alter=alter), **GRID)
    assert one.complete == 1
    assert other.complete == pytest.approx(1 - 4 / (10 * 26), abs=5e-5)
    assert np.isfinite(other.blocks[0].visibility).all()


def test_a_stream_s_own_uvw_win_and_those_of_others_are_worked_out(tmp_path: Path) -> None:
    """For what left the ring they are worked out in either case: its place is known, but it is not imaged."""

    def alter(opened: Open) -> None:
        opened.arrays["uvw"][...] = np.arange(45).reshape(15, 3)

    own = replace(SETUP, uvw=True)
    main = open_recording(spool(tmp_path, range(4), own, keep=2, alter=alter), Writing())
    uvw = main.rows(range(len(main))).column("UVW").reshape(4, 2, 15, 3)
    np.testing.assert_array_equal(uvw[3, 1], np.arange(45).reshape(15, 3))
    target = SETUP.targets[0]
    for number in (0, 1):
        antennas = antenna_uvw(1.79e9 + 2.0 * number, target.ra, target.dec, main.antennas.position)
        np.testing.assert_array_equal(uvw[number, 0, 1], antennas[0] - antennas[1])
    other = open_recording(spool(tmp_path, range(2)))
    np.testing.assert_array_equal(other.rows(range(len(other))).column("UVW").reshape(2, 2, 15, 3)[1, 0], uvw[1, 0])


def test_a_spool_is_followed_until_it_has_ended(tmp_path: Path) -> None:
    """An integration is whole as soon as it is there; a look with nothing new gives the same run."""
    writing = writer(tmp_path)
    growing = Growing(writing.path, asked(**GRID))
    with pytest.raises(NotYetError, match="no integration is complete yet"):
        growing.look(ended=True)
    put(writing, (2, 3, 5))
    run = growing.look(complete=True, ended=True)  # as if it had been silent for long
    assert [each.time for each in run.slices] == [1.79e9 + UNIX_EPOCH + each for each in (4.0, 6.0, 10.0)]
    assert (growing.look() is run, growing.ended) == (True, False)
    put(writing, [6])
    writing.end()
    last = growing.look()
    assert (len(last.slices), last.id, growing.ended) == (4, run.id, True)


def test_integrations_are_averaged_until_a_later_one_does_not_belong_to_them(tmp_path: Path) -> None:
    """The last ones once it has ended: also over a dump that was lost."""
    writing = writer(tmp_path)
    put(writing, (0, 1, 3, 4, 5))
    growing = Growing(writing.path, asked(**GRID, average=2))
    assert [each.integrations for each in growing.look().slices] == [(0, 1), (2, 3)]
    writing.end()
    assert [each.integrations for each in growing.look().slices] == [(0, 1), (2, 3), (4,)]


def test_what_left_the_ring_fails_by_name_and_the_run_is_the_same(tmp_path: Path) -> None:
    """This holds for who begins when the first ones are gone, too: they keep their numbers."""
    writing = writer(tmp_path, keep=3)
    put(writing, range(3))
    first = Growing(writing.path, asked(**GRID))
    run = first.look()
    assert run.read(0).complete == 1
    put(writing, range(3, 9))
    late = Growing(writing.path, asked(**GRID))
    for each in (first, late):
        assert each.look().id == run.id
        assert len(each.look().slices) == 9
        with pytest.raises(LeftTheRingError, match=r"0000000001\.int: left the ring [0-9.]+ s before its turn"):
            each.look().read(1)
        assert each.look().read(7).index == 7
    selected = Growing(writing.path, asked(**GRID, interval="1~8", flag="auto"))
    with pytest.raises(LeftTheRingError):
        selected.look().read(0)
    assert selected.look().read(6).integration == 7


def test_a_spool_that_is_not_followed_has_what_is_there(tmp_path: Path) -> None:
    """If none of it is there, that is said; and to image what moves on under one's feet is refused."""
    writing = writer(tmp_path, keep=3)
    with pytest.raises(InputError, match="nothing came yet: there is nothing to image"):
        open_recording(writing.path)
    put(writing, range(5))
    assert [each.integration for each in cut(writing.path, **GRID)] == [0, 1, 2]
    assert export(writing.path, tmp_path / "out.ms") == (3, 0)
    with pytest.raises(UsageError, match=r"\.live: is not over, and more may come: give --follow"):
        Whole(writing.path, asked(**GRID))
    writing.end()
    assert len(Whole(writing.path, asked(**GRID)).look().slices) == 3
    for number in range(5):
        integration_file(writing.path, number).unlink(missing_ok=True)
    with pytest.raises(InputError, match="all of its 5 integrations have left the ring"):
        open_recording(writing.path)


def test_the_data_of_an_event_are_copied_as_far_as_they_are_there(tmp_path: Path) -> None:
    """`fip event DIR ID --ms` copies them from a run that follows a spool."""
    writing = writer(tmp_path, keep=4)
    put(writing, range(8))
    options = asked(**GRID)
    run = look(writing.path, options, Writing())
    part = part_of(writing.path, options, Writing(), run.run, "", 2, 6)
    assert part.slices == (4, 5)
    copy_rows(writing.path, part.rows, tmp_path / "out.ms")
    for one, number in zip(cut(tmp_path / "out.ms", **GRID), part.slices, strict=True):
        assert one.fingerprint == fingerprint(writing.path, options, Writing(), run.run, number)
    with pytest.raises(InputError, match="all slices from 0 up to 3 have left the ring"):
        part_of(writing.path, options, Writing(), run.run, "", 0, 3)
    with pytest.raises(InputError, match="2 integrations left the ring before they were copied"):
        copy_rows(writing.path, part.rows - 3 * 30, tmp_path / "other.ms")


def test_fields_are_those_that_were_observed_and_have_their_own_grids(tmp_path: Path) -> None:
    """A target that comes later has its name, and the first one has no label."""
    setup = replace(SETUP, targets=(*SETUP.targets, Target("sky 2", 1.2, -0.6)))
    writing = writer(tmp_path, setup)
    put(writing, range(2))
    growing = Growing(writing.path, asked(**GRID))
    growing.look()
    put(writing, range(2, 4), field=1)
    run = growing.look()
    assert [(each.field, each.label, each.number) for each in run.slices] == [
        ("3C 84", "", 0), ("3C 84", "", 1), ("sky 2", "sky_2", 0), ("sky 2", "sky_2", 1),
    ]  # fmt: skip
    assert growing.recording.field_names([0]) == {0: "3C 84", 1: "sky 2"}
    assert (run.grids["sky 2"].longitude, run.grids["sky 2"].frame) == (1.2, "ICRS")
    assert run.read(3).grid == run.grids["sky 2"]


@pytest.mark.parametrize("flag", ["none", "auto"])
def test_the_command_images_a_spool_as_the_set_that_it_exports(flag: str, tmp_path: Path) -> None:
    """Followed to its end, with those that left as failures; every pixel of the others is that of the set."""
    setup = replace(SETUP, bands=SETUP.bands[:1])
    path = spool(tmp_path, range(20), setup, keep=4)
    assert fip("spool", "export", path, "--ms", tmp_path / "out.ms").stdout.endswith("out.ms has 4 integrations\n")
    grid = ("--size", "64", "--scale", "2arcsec", "--workers", "1", "--flag", flag)
    told = fip("run", path, "--follow", "--output", tmp_path / "a", *grid)
    assert told.returncode == 1, told.stdout + told.stderr
    assert told.stdout.count("left the ring") == 10  # each once, and none of them gives the run up
    assert "... and 6 more, in fip.sqlite" in told.stdout
    assert fip("run", tmp_path / "out.ms", "--output", tmp_path / "b", *grid).returncode == 0
    mine, its = images(tmp_path / "a"), images(tmp_path / "b")
    assert [each.name[-18:] for each in mine] == [f"t{number:06d}-dirty.fits" for number in range(16, 20)]
    for one, other in zip(mine, its, strict=True):
        with fits.open(one) as a, fits.open(other) as b:
            assert a[0].data.tobytes() == b[0].data.tobytes()
            assert a[0].header["FIPCOMPL"] == b[0].header["FIPCOMPL"] == 1
    (path / "ended").unlink()  # as if it went on
    compared = fip("verify", tmp_path / "a", "--data")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    (path / "ended").touch()
    said = fip("spool", "info", path).stdout
    assert "20 integrations" in said
    assert "16 have left it" in said
    assert "no: it has ended" in said
    taken = fip("spool", "export", path, "--ms", tmp_path / "out.ms")
    assert (taken.returncode, taken.stderr) == (2, f"fip: --ms {tmp_path}/out.ms: exists: choose another name\n")


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path: Path) -> None:
    """No file is left of it."""
    path = spool(tmp_path, range(2))
    with pytest.raises(UsageError, match=r"the folder .*nowhere does not exist"):
        export(path, tmp_path / "nowhere" / "out.ms")
    with pytest.raises(InputError, match=r"spool\.json: no set-up of a stream"):
        export(tmp_path / "none", tmp_path / "out.ms")
    integration_file(path, 1).write_bytes(b"")
    with pytest.raises(InputError, match="has 0 of"):
        export(path, tmp_path / "out.ms")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
