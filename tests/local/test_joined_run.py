"""`--join bands` as a user types it: the real command, real daemons."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from fip.config.tables import Source
from fip.data.errors import UsageError
from fip.data.settings import asked
from fip.local.joining import joined
from fip.source.info import describe
from fip.ventilator.supply import refused
from fip.wire.messages import Submit
from support import small_ms
from support.fip_command import fip, images
from support.mesh import Mesh
from support.sub_bands import DUMPS, split, whole_set

GRID = ("--size", "64", "--scale", "20arcsec", "--workers", "1")
JOIN = ("--join", "bands")


@pytest.fixture
def sets(tmp_path: Path) -> list[Path]:
    """Write the sub-bands of one observation."""
    return split(whole_set(tmp_path / "all.ms"), tmp_path)


def test_a_joined_run_is_called_stored_resumed_and_verified_as_one_set(sets: list[Path], tmp_path: Path) -> None:
    assert fip("run", *sets, *JOIN, *GRID, cwd=tmp_path).returncode == 0
    directory = tmp_path / "night.fip"
    stored = images(directory)
    assert [image.name for image in stored] == [f"night-t{number:06d}-dirty.fits" for number in range(DUMPS)]
    header = fits.getheader(stored[0])
    assert header["FIPMS"] == "night_0MHz.ms and 2 more"
    assert header["CRVAL3"] == pytest.approx(1.006e9)  # the middle of all three
    again = fip("run", *map(os.path.relpath, sets), *JOIN, *GRID, "--output", directory)
    assert again.returncode == 0
    assert "0 made" in again.stdout or "stored before" in again.stdout, again.stdout
    small_ms.change(sets[2], "DATA", lambda values: 10 * values)
    verified = fip("verify", directory, "--data")
    assert verified.returncode == 1, verified.stdout
    assert f"night: the data of {DUMPS} slices were changed: 0~2" in verified.stdout


def test_a_ventilator_images_joined_sets_and_takes_none_from_elsewhere(sets: list[Path], tmp_path: Path) -> None:
    (outside := tmp_path / "outside").mkdir()
    root = sets[0].parent
    with Mesh(tmp_path / "mesh", settings=f'[source]\nroots = ["{root}"]') as mesh:
        control = ("--ventilator", mesh.config.ventilator.control)
        done = fip("submit", *sets, *JOIN, *GRID[:4], *control)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("night-")
        mesh.wait_for_job(done.stdout.strip())
        (run,) = mesh.job_now(done.stdout.strip()).runs
        assert (run.name, run.stored, run.measurement_set) == ("night", DUMPS, str(sets[0]))
    link = sets[1].with_name("link.ms")
    link.symlink_to(outside)
    for elsewhere in (outside / "b.ms", link):
        submit = Submit("a", (str(sets[0]),), asked(join=("bands", str(sets[1]), str(elsewhere))), "a")
        assert refused(submit, [root / "in"] if elsewhere is not link else [sets[0]]) != ""


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (("a.ms",), {}, "--join bands: is for several sets, and a.ms alone is named: name the others, too"),
        (("a.ms", "./x/../a.ms"), {}, "--join bands: the same MeasurementSet is named twice: name each once"),
        (("a.ms", "b.ms"), {"follow": True}, "--join bands: is for sets that are whole, and --follow for what is "),
        (("a.ms", "b.ms"), {"scan": ((3, 3),)}, "--join bands: scans are not told apart in sets that are joined"),
        (("a.ms", "b,c.ms"), {}, "c.ms has a comma in its name: rename it, or name it first"),
    ],
)
def test_what_cannot_be_joined_is_said_before_anything_is_looked_into(
    names: tuple[str, ...], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        joined([Path(name) for name in names], Source(join=("bands",), **options))


def test_info_tells_of_joined_sets_as_of_one(sets: list[Path]) -> None:
    said = describe(sets[0], ("bands", *map(str, sets[1:])))
    assert said.startswith(f"{sets[0]} and 2 more\n")
    assert f"integrations  {DUMPS}, every 10 s" in said
    assert "1009.000000 to 1012.000000 MHz" in said
