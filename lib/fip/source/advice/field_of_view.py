"""How far from the phase centre an image can be trusted: the primary beam, and smearing. Pure.

Smearing is that of Bridle & Schwab 1999 (ASP Conf. 180, 371, chapter 18) for square channels and integrations and a
Gaussian distribution of (u, v), which has the width theta_b = sqrt(2 ln 2) / (pi sigma) of the beam, sigma being the
rms of one coordinate in wavelengths. A point source at the angle theta keeps, of its peak,

    R(beta) = sqrt(pi) / (2 sqrt(ln 2) beta) erf(sqrt(ln 2) beta)

with beta = (channel width / frequency) (theta / theta_b) for bandwidth smearing, and beta = omega t theta / theta_b
for time smearing in integrations of t seconds, omega = 7.29e-5 rad/s being the rotation of the Earth: for small losses
1 - R = 1.22e-9 t^2 (theta / theta_b)^2, theirs for a source near the pole. Both follow from the mean over (u, v) of
sinc(beta x), x the Gaussian phase that a turn of u.theta makes.
"""

import math
from collections.abc import Iterator

from fip.data.quantities import SPEED_OF_LIGHT, format_angle

EARTH_ROTATION = 7.292115e-5  # rad/s
LOSSES = (0.01, 0.1)


def primary_beam(diameter: float, frequency: float) -> float:
    """Return the full width at half maximum of the power pattern of an evenly lit dish, 1.03 lambda/D, in rad.

    An Airy pattern (Born & Wolf 1999, 8.5.2); real dishes are lit less at their edge and have some 1.1 to 1.2.
    """
    return 1.03 * SPEED_OF_LIGHT / frequency / diameter


def beam_width(rms_baseline: float, frequency: float) -> float:
    """Return theta_b in rad from the rms |(u, v)| in m: the rms of one coordinate is that over sqrt(2)."""
    sigma = rms_baseline / math.sqrt(2) * frequency / SPEED_OF_LIGHT
    return math.sqrt(2 * math.log(2)) / (math.pi * sigma)


def kept(beta: float) -> float:
    """Return R(beta), the share of a point source's peak that is left."""
    x = math.sqrt(math.log(2)) * beta
    return math.sqrt(math.pi) / 2 * math.erf(x) / x if x > 1e-6 else 1.0


def bandwidth_radius(loss: float, rms_baseline: float, frequency: float, channel: float) -> float:
    """Return the angle in rad at which channels of `channel` Hz take the share `loss` off a point source's peak."""
    return _beta(loss) * beam_width(rms_baseline, frequency) * frequency / channel


def time_radius(loss: float, rms_baseline: float, frequency: float, seconds: float) -> float:
    """Return the angle in rad at which integrations of `seconds` take the share `loss` off a point source's peak."""
    return _beta(loss) * beam_width(rms_baseline, frequency) / (EARTH_ROTATION * seconds)


def smearing_notes(
    reach: float, rms_baseline: float, frequency: float, channel: float, seconds: float | None
) -> Iterator[str]:
    """Warn of each kind of smearing that reaches 10 per cent in a field that extends `reach` rad from its centre."""
    limits = {f"channels of {channel / 1e3:.6g} kHz": bandwidth_radius(0.1, rms_baseline, frequency, channel)}
    if seconds is not None:
        limits[f"integrations of {seconds:.4g} s"] = time_radius(0.1, rms_baseline, frequency, seconds)
    for cause, limit in limits.items():
        if limit < reach:
            yield (
                f"warning: the field reaches {format_angle(reach, 3)} from its centre, but beyond "
                f"{format_angle(limit, 3)} {cause} smear 10 per cent and more off a source's peak"
            )


def _beta(loss: float) -> float:
    """Return the beta at which R falls to 1 - loss, by bisection: R falls all the way from 1 to 0."""
    low, high = 0.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if kept(middle) < 1 - loss else (middle, high)
    return high
