"""`fip run FOLDER --follow`: sets that arrive in a folder, in sub-bands, are imaged as one recording that grows."""

from pathlib import Path

from astropy.io import fits

from support.arriving_sets import PARTS, Recorder
from support.fip_command import WITHIN, fip, images, started
from source.test_following import totals, wait_for_images

GRID = ("--size", "64", "--scale", "40arcsec")
RULES = ("--follow", "--follow-settle", "0.3s", "--follow-grace", "2s", "--follow-marker", "FINISHED")


def test_sets_that_arrive_in_parts_are_imaged_together(tmp_path: Path) -> None:
    recorder, output = Recorder(tmp_path / "night", tmp_path / "made"), tmp_path / "out"
    with started("run", recorder.folder, *RULES, "--output", output, *GRID) as run:
        for time in range(3):
            recorder.arrive(time)
        wait_for_images(output, 3, run)
        run.kill()
        run.wait()
    recorder.arrive(3, (0, 2, 3))
    recorder.arrive(4)
    with started("run", recorder.folder, *RULES, "--output", output, *GRID) as run:
        wait_for_images(output, 5, run)
        recorder.arrive(3, (1,))
        recorder.arrive(5)
        (recorder.folder / "FINISHED").touch()
        said, _ = run.communicate(timeout=WITHIN)
    print(said)
    assert run.returncode == 0, said
    assert totals(output) == (6, 6, True)
