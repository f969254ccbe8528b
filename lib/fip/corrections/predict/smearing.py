"""Smearing in time and bandwidth: the components that it changes by more than the noise hides. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fip.corrections.observed import Observed
from fip.corrections.predict.geometry import Doubles, offsets, pole, turning
from fip.corrections.sky.components import Components
from fip.data.quantities import SPEED_OF_LIGHT
from fip.data.stokes import HANDS

_OF_NOISE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Smearing:
    """The order to smear components, and the centre of it."""

    tracked: Doubles | None = (
        None  # [integration, 3] unit vectors, ICRS, that the correlator tracked; None: phase centre
    )
    always: bool = False  # all components, whatever the noise


def smeared(components: Components, observed: Observed, smear: Smearing | None) -> NDArray[np.bool_]:
    """Return which components [component] lose more by smearing than a tenth of the image's noise.

    Weights are taken to be inverse variances of samples, so that the noise is 1 / sqrt(sum w), with flagged samples.
    This is rather less than the noise of the image, so that more components are smeared than necessary. The loss is the
    mean over baselines of 1 - sinc(x) <= (pi x)^2 / 6, which is a quadratic form in the component's offset.
    """
    if smear is None or not len(components):
        return np.zeros(len(components), bool)
    weight = _weights(observed)
    total = float(weight.sum())
    if smear.always or not total > 0:
        return np.ones(len(components), bool)
    width, highest = float(observed.width.max()), float(observed.frequency[-1])
    axis, loss = pole(float(np.median(observed.time))), np.zeros(len(components))
    for each in np.unique(observed.integration).tolist():
        here, axes = observed.integration == each, observed.axes[each]
        offset = offsets(axes, components.towards, None if smear.tracked is None else smear.tracked[each])
        uvw, share = observed.uvw[here], weight[here, None] / total
        moved = turning(uvw, axes, axis) * observed.interval[here, None]
        form = width**2 * (uvw * share).T @ uvw + highest**2 * (moved * share).T @ moved
        loss += np.einsum("ci,ij,cj->c", offset, form, offset)
    loss = np.minimum(loss * (np.pi / SPEED_OF_LIGHT) ** 2 / 6, 1.0)
    flux = np.abs(components.flux).max(axis=2).mean(axis=1)
    return np.asarray(flux * loss > _OF_NOISE / np.sqrt(total))


def _weights(observed: Observed) -> Doubles:
    """Return the sum [row] of the weights of parallel hands over channels."""
    hands = [at for at, name in enumerate(observed.correlations) if name in HANDS] or [0]
    weight = observed.weight[..., hands]
    good = np.where((weight > 0) & np.isfinite(weight), weight, 0)
    each = good.sum(axis=(1, 2), dtype=np.float64)
    return np.asarray(each * (len(observed.frequency) / weight.shape[1]))
