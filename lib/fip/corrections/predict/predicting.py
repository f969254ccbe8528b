"""The visibilities of a sky model, right to epsilon: by antennas, by rows, and by degridding its images. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.corrections.predict import antennas, rows
from fip.corrections.predict.degridding import add_image
from fip.corrections.predict.geometry import Doubles, offsets, pole
from fip.corrections.predict.smearing import Smearing, smeared
from fip.corrections.predict.spectral import Spectra
from fip.corrections.sky.components import Components, SkyImage
from fip.data.values import SINGLE_PRECISION_EPSILON

_SINGLE_PRECISION_SUMS = 1e-5  # from this epsilon on: sums in single precision are right to some 1e-6


def predict(
    components: Components,
    images: Sequence[SkyImage],
    observed: Observed,
    epsilon: float,
    *,
    smear: Smearing | None = None,
) -> NDArray[np.complexfloating]:
    """Predict [row, channel, 1 or 4] Jy: Stokes I, or I, Q, U, V; complex64 if epsilon >= 1e-6, else complex128.

    The error against the exact Fourier sum is at most epsilon of the sum of all |flux|. In the mean over rows it is
    about epsilon of the sum's own rms. Components are smeared as `smear` says, not at all for None; images are not
    smeared.
    """
    planes = components.flux.shape[2] if len(components) else 1
    dtype = np.complex64 if epsilon >= SINGLE_PRECISION_EPSILON else np.complex128
    out = np.zeros((len(observed.uvw), len(observed.frequency), planes), dtype)
    if not len(observed.uvw):
        return out
    if len(components):
        _add_components(components, observed, epsilon, smear, out)
    for image in images:
        add_image(image, observed, epsilon, out[:, :, 0])
    return out


def _add_components(
    components: Components, observed: Observed, epsilon: float, smear: Smearing | None, out: NDArray[np.complexfloating]
) -> None:
    """Add each component in the cheapest way that is right for it."""
    precision = np.float32 if epsilon >= _SINGLE_PRECISION_SUMS else np.float64
    spectra = Spectra.of(observed.frequency, components.flux, epsilon)
    sharp = ~smeared(components, observed, smear)
    points = np.flatnonzero(sharp & (components.major == 0))
    others = np.flatnonzero(sharp & (components.major != 0))
    if len(points) and not _by_antennas(components, points, observed, epsilon, spectra, out, precision):
        others = np.union1d(points, others)
    for which, smearing in ((others, None), (np.flatnonzero(~sharp), smear)):
        if len(which):
            _by_rows(components, which, observed, smearing, spectra, out, precision)


def _by_antennas(
    components: Components, which: NDArray[np.intp], observed: Observed, epsilon: float, spectra: Spectra,
    out: NDArray[np.complexfloating], precision: type[np.floating],
) -> bool:  # fmt: skip
    """Add these; or add nothing and return False if baselines do not close, or rows are expected to be cheaper."""
    found = antennas.arrays(observed.antenna1, observed.antenna2, observed.integration, observed.uvw)
    planes, channels = out.shape[2], len(observed.frequency)
    expected = sum(antennas.cost(len(array.position), len(which), channels, planes) for array, _ in found)
    if expected > rows.cost(len(observed.uvw), len(which), channels, planes):
        return False
    towards = components.towards[which]
    places = [offsets(observed.axes[array.integration], towards) for array, _ in found]
    if not antennas.closes(found, places, float(observed.frequency[-1]), epsilon):
        return False
    flux = components.flux[which]
    for (array, _), offset in zip(found, places, strict=True):
        antennas.add_by_antennas(array, offset, flux, spectra, out, precision)
    if (lost := antennas.lost(observed.antenna1, observed.antenna2, observed.uvw)).any():
        out[lost] += flux.sum(axis=0)
    return True


def _by_rows(
    components: Components, which: NDArray[np.intp], observed: Observed, smear: Smearing | None, spectra: Spectra,
    out: NDArray[np.complexfloating], precision: type[np.floating],
) -> None:  # fmt: skip
    """Add these, smeared if there is something to smear them about."""
    axis: Doubles | None = None if smear is None else pole(float(np.median(observed.time)))
    chosen = rows.Extended(
        components.towards[which], components.flux[which],
        components.major[which], components.minor[which], components.angle[which],
    )  # fmt: skip
    for each in np.unique(observed.integration).tolist():
        here = np.flatnonzero(observed.integration == each)
        baselines = rows.Baselines(
            here, observed.uvw[here], observed.interval[here], observed.axes[each], axis,
            None if smear is None or smear.tracked is None else smear.tracked[each],
        )  # fmt: skip
        rows.add_by_rows(baselines, chosen, spectra, observed.width, out, precision)
