"""A recording from outside of FIP, by the words of docs/extending/recording.md alone, imaged by the real daemons."""

import os
import re
import tomllib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from fip.data.arriving import Writing
from fip.data.errors import InputError, NotYetError
from fip.source import growing as growing_module
from fip.source import sources
from fip.source.arrays import ArrayRecording
from fip.source.growing import Growing
from fip.source.sources import open_recording
from fip.source.tables.measurement_set import MeasurementSet
from support.fip_command import fip, images
from support.many_slices import OPTIONS, SELECTION
from support.mesh import Mesh
from support.repository import ROOT

TEXT = (ROOT / "docs" / "extending" / "recording.md").read_text()


def block(language: str) -> str:
    """The code of this language in the text."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    return str(found)


def install(folder: Path, name: str = "fip-npz") -> None:
    """Put the package of the text into a folder of Python's path, as pip does."""
    project = tomllib.loads(block("toml"))["project"]
    (module,) = tomllib.loads(block("toml"))["tool"]["setuptools"]["py-modules"]
    (folder / f"{module}.py").write_text(block("python"))
    about = folder / f"{name.replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n")
    lines = [f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in those.items())
             for group, those in project["entry-points"].items()]  # fmt: skip
    (about / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the package is, for this process and those that it starts."""
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
    sources._sources.cache_clear()  # noqa: SLF001 what was installed a moment ago
    return folder


@pytest.fixture(autouse=True)
def _found_anew() -> object:
    """No other test finds what was installed for this one."""
    yield
    sources._sources.cache_clear()  # noqa: SLF001


def same_as_npz(ms: Path, path: Path) -> Path:
    """The first integrations of a set, as the text has them in a file."""
    main, baselines = MeasurementSet(ms), 28
    rows = main.rows(range(6 * baselines))
    shape = 6, baselines
    described, field, antennas = main.window(0), main.field(0), main.antennas
    flag = rows.column("FLAG") | rows.column("FLAG_ROW")[:, None, None]
    np.savez(
        path,
        time=rows.column("TIME").reshape(shape)[:, 0],
        cadence=rows.column("INTERVAL")[0],
        antenna1=rows.column("ANTENNA1")[:baselines],
        antenna2=rows.column("ANTENNA2")[:baselines],
        uvw=rows.column("UVW").reshape(*shape, 3),
        visibility=rows.column("DATA").reshape(*shape, *described.cell)[..., [0, 3]],
        flag=flag.reshape(*shape, *described.cell)[..., [0, 3]],
        frequency=described.frequency,
        channel_width=described.width[0],
        phase_centre=field.polynomial[0],
        antenna=antennas.names,
        position=antennas.position,
        diameter=antennas.diameter,
    )
    main.close()
    return path


def test_a_recording_from_outside_is_imaged_as_the_set_that_it_holds(
    installed: Path, many_ms: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    """Daemons with two reading children do it pixel for pixel; `fip info` describes it, and `fip run` images it."""
    assert len(block("python").splitlines()) <= 60
    path = same_as_npz(many_ms, tmp_path / "observation.npz")
    with Mesh(tmp_path / "m", settings="readers = 2") as mesh:
        job = mesh.submit([path], SELECTION)
        mesh.wait_for_job(job)
        mine = images(mesh.images / job)
    assert len(mine) == 6
    for made in mine:
        other = BytesIO(undisturbed[made.name.replace("observation-", "many-")])
        assert np.array_equal(fits.getdata(made), fits.getdata(other), equal_nan=True)
        assert fits.getheader(made)["TELESCOP"] == "MINE"
    described = fip("info", path)
    assert described.returncode == 0, described.stderr
    assert re.search(r"telescope +MINE", described.stdout)
    assert fip("run", path, "--output", tmp_path / "run", *OPTIONS).returncode == 0
    assert [each.read_bytes() for each in images(tmp_path / "run")] == [each.read_bytes() for each in mine]


def test_what_a_package_cannot_open_is_one_line(installed: Path, tmp_path: Path) -> None:
    """The line is about the file, if the package says so; else about the package."""
    np.savez(tmp_path / "empty.npz", time=np.zeros(0))
    with pytest.raises(
        InputError, match=r"empty\.npz: fip_npz:open_npz of package fip-npz, which reads \.npz: KeyError"
    ):
        open_recording(tmp_path / "empty.npz")
    with pytest.raises(InputError, match="leave --follow out"):
        open_recording(tmp_path / "empty.npz", Writing())
    with pytest.raises(InputError, match="no such file or folder"):
        open_recording(tmp_path / "none.npz")
    (installed / "fip_npz.py").unlink()
    told = fip("info", tmp_path / "empty.npz")
    assert told.returncode == 2
    assert "ModuleNotFoundError: No module named 'fip_npz'" in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_two_packages_for_one_suffix_are_refused(installed: Path, many_ms: Path, tmp_path: Path) -> None:
    """FIP does not choose; a MeasurementSet is one, whatever its name ends with."""
    install(installed, "another-npz")
    np.savez(tmp_path / "a.npz", time=np.zeros(0))
    with pytest.raises(InputError, match=r"package another-npz and package fip-npz both read \.npz"):
        open_recording(tmp_path / "a.npz")
    link = tmp_path / "set.npz"
    link.symlink_to(many_ms)
    assert isinstance(open_recording(link), MeasurementSet)


class Said(ArrayRecording):
    """A recording whose writer says which rows are whole, and when it is over."""

    said, over = 0, False

    def complete_rows(self) -> int:
        """Return the number that was said last."""
        return self.said

    def ended(self) -> bool:
        """Return whether the recording has ended."""
        return self.over


def test_a_writer_that_says_what_is_whole_and_when_it_is_over_is_believed(
    installed: Path, many_ms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not when a later integration has begun, nor how long nothing came."""
    whole = open_recording(same_as_npz(many_ms, tmp_path / "a.npz"))
    assert isinstance(whole, ArrayRecording)
    whole.__class__ = Said
    assert isinstance(whole, Said)
    whole.growing = True
    monkeypatch.setattr(growing_module, "open_recording", lambda path, writing: whole)
    growing = Growing(whole.path, SELECTION)
    with pytest.raises(NotYetError):
        growing.look(complete=True, ended=True)
    for number in range(1, 7):
        whole.said = 28 * number
        assert len(growing.look(complete=True, ended=True).slices) == number
        assert growing.ended is False
    whole.over = True
    growing.look()
    assert growing.ended is True
