"""`make_psf = "bright"`: bright slices have their PSF, of twice the size, and nothing else of a run is changed."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from astropy.io import fits

from fip.archive.verify import verify
from fip.data.errors import UsageError
from fip.data.imaged import Imaged
from fip.data.settings import asked, texts, without_extras
from fip.data.values import Grid, ImageFile, Slice
from fip.fits.identity import is_whole
from fip.fits.stored_image import StoredImage
from fip.imaging.dirty import psf_image
from fip.imaging.kernels import make_kernel
from fip.simulation.observation import simulate
from fip.simulation.plan import Simulation
from fip.sink.store import Store
from fip.source.open_run import open_run
from fip.wire.messages import RunPlan
from fip.worker.stages import image_file, pass_through
from support.synthetic import array_uvw, make_block, make_slice

GRID = Grid(64, 48, 3e-5, 1.0, -0.5, "FK5")
UVW = array_uvw(1, 24, 600.0, 1.0)
BAND = np.linspace(1.0e9, 1.01e9, 4)


def observed(flux: float, planes: int = 1, make_psf: bool | Literal["bright"] = "bright", channels: int = 1) -> Slice:
    """Noise of 1 Jy in each sample, a source in the corner, and as many Stokes and channels that are alike."""
    random, blocks = np.random.default_rng(3), []
    for channel in range(channels):
        block = make_block(UVW, BAND + 1e7 * channel, [(20 * GRID.scale, -15 * GRID.scale, flux)], channel_out=channel)
        noise = random.normal(size=(*block.visibility.shape, 2)) @ [1, 1j]
        seen = (block.visibility + np.sqrt(block.weight) * noise).astype(np.complex64)
        blocks.append(replace(block, visibility=seen.repeat(planes, 0), weight=block.weight.repeat(planes, 0)))
    made = make_slice(blocks, GRID)
    return replace(made, settings=replace(made.settings, make_psf=make_psf))


def made(of: Slice) -> ImageFile:
    """What a worker stores of it."""
    return image_file(of, make_kernel(of.settings, of.grid), "host/cpu0", 0.0)


@pytest.mark.parametrize("kernel", ["auto", "wgridder"])
def test_a_bright_slice_has_a_psf_that_reaches_from_any_pixel_to_any(kernel: str, tmp_path: Path) -> None:
    slice_ = observed(5.0)
    slice_ = replace(slice_, settings=replace(slice_.settings, kernel=kernel))
    dirty, psf = made(slice_).files
    assert (dirty.kind, psf.kind) == ("dirty", "psf")
    path = tmp_path / "a-t000007-psf.fits"
    path.write_bytes(psf.content)
    stored = StoredImage.open(path)
    assert (stored.layout.grid.width, stored.layout.grid.height) == (128, 96)
    assert stored.layout.grid.scale == pytest.approx(GRID.scale)
    pixels = np.asarray(stored.plane())
    assert pixels[48, 64] == pytest.approx(1, abs=1e-4)
    small = psf_image(slice_, make_kernel(slice_.settings, GRID)).pixels[0, 0]
    np.testing.assert_allclose(pixels[24:72, 32:96], small, atol=1e-3)
    assert is_whole(bytes(psf.content))
    assert fits.getheader(path)["BTYPE"] == "Beam"


def test_other_slices_have_none() -> None:
    assert [file.kind for file in made(observed(0.0)).files] == ["dirty"]
    nothing = replace(make_slice((), GRID), settings=replace(observed(0).settings))
    assert [file.kind for file in made(nothing).files] == ["dirty"]


def test_to_ask_for_it_changes_no_other_byte() -> None:
    one, other = made(observed(5.0)), made(observed(5.0, make_psf=False))
    assert one.files[0].digest == other.files[0].digest
    assert one.statistics == other.statistics
    assert len(made(observed(5.0, make_psf=True)).files[1].content) < len(one.files[1].content)  # of the image's size


def test_stokes_of_the_same_weights_share_a_plane_and_others_have_their_own(tmp_path: Path) -> None:
    alike = observed(5.0, planes=2)
    block = alike.blocks[0]
    weight = block.weight.copy()
    weight[1, ::2] = 0
    apart = replace(alike, blocks=(replace(block, weight=weight),), sum_of_weights=weight.sum((1, 2))[:, np.newaxis])
    for slice_, planes in ((alike, ("I",)), (apart, ("I", "Q"))):
        path = tmp_path / f"{len(planes)}.fits"
        path.write_bytes(made(slice_).files[1].content)
        stored = StoredImage.open(path)
        assert stored.layout.stokes == planes
        assert [stored.plane(plane)[48, 64] for plane in range(len(planes))] == pytest.approx(
            [1] * len(planes), abs=1e-4
        )


def test_sub_bands_share_the_psf_of_the_whole_band(tmp_path: Path) -> None:
    path = tmp_path / "psf.fits"
    path.write_bytes(made(observed(5.0, channels=2)).files[1].content)
    with fits.open(path, checksum=True) as units:
        assert [unit.name for unit in units] == ["PRIMARY"]
        assert "FIPCHOUT" not in units[0].header


def test_stages_of_users_take_it_as_it_is() -> None:
    slice_ = observed(5.0)

    def halved(so_far: Imaged) -> Imaged:
        psf = so_far.images["psf"]
        return so_far.with_image("psf", replace(psf, pixels=psf.pixels / 2))

    after, _ = pass_through(slice_, make_kernel(slice_.settings, GRID), [("mine", halved)])
    assert after.images["psf"].pixels[0, 0, 48, 64] == pytest.approx(0.5, abs=1e-4)


def test_what_is_asked_with_it_is_what_is_asked_without() -> None:
    with_it = asked(size=64, make_psf="bright")
    assert texts(with_it) == {"imaging.size": "64x64", "imaging.make_psf": "bright"}
    assert without_extras(with_it) == asked(size=64)
    assert without_extras(asked(make_psf="true")) == asked(make_psf=True)
    with pytest.raises(UsageError, match=r"make_psf: 'dark' does not say which images' .* true, false or bright"):
        asked(make_psf="dark")


def test_a_directory_begun_without_it_goes_on_with_it(tmp_path: Path) -> None:
    """The same run, the same bytes of images; and a directory with PSFs goes on without them."""
    path = tmp_path / "a.ms"
    simulate(path, Simulation(antennas=12, channels=2, integrations=3, transient=20, transient_on=(1, 2), noise=1))
    plain = {"size": 64, "scale": "20arcsec", "subtract_model": True}
    digests = dict[str, list[str]]()
    for name, order in (("on", ("", "bright", "bright")), ("off", ("bright", "bright", "")), ("never", ("", "", ""))):
        for index, psf in enumerate(order):
            options = asked(**plain, **({"make_psf": psf} if psf else {}))
            run = open_run(path, options)
            store = Store(tmp_path / name)
            assert store.open_run(RunPlan(run.id, run.name, 3, str(path), options, "")) == ""
            store.put(made(run.read(index)))
            run.close()
            store.close()
        digests[name] = [
            hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted((tmp_path / name).glob("*-dirty*"))
        ]
        assert [each.name for each in (tmp_path / name).glob("*-psf.fits")] == ["a-t000001-psf.fits"] * (
            name != "never"
        )
        assert verify(tmp_path / name, digests=True) == 0
    assert digests["on"] == digests["off"] == digests["never"]
    store = Store(tmp_path / "on")
    assert "make_psf" in store.refusal(asked(**plain, make_psf=True))
    store.close()
