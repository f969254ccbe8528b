"""Feeds that turn on the sky: their samples as if X (or R) stood at north. Pure.

A feed whose X is at an angle a from north through east sees Q + iU turned: Q_f + i U_f = (Q + iU) exp(-2ia), and I and
V as they are (Hamaker & Bregman 1996, A&AS 117, 161). So circular hands get RL exp(2ia) and LR exp(-2ia), and linear
ones R(a) [XX XY; YX YY] R(a)^T, R(a) = [cos a, -sin a; sin a, cos a].
"""

from dataclasses import replace

import numpy as np

from fip.corrections.observed import Observed
from fip.data.errors import UsageError

LINEAR, CIRCULAR = ("XX", "XY", "YX", "YY"), ("RR", "RL", "LR", "LL")


def upright(observed: Observed) -> Observed:
    """Return the samples as if the feeds did not turn. For linear feeds a sample is bad if one of its four hands is."""
    angle = observed.feed_angle
    assert angle is not None
    if set(CIRCULAR) <= set(observed.correlations):
        visibility = observed.visibility.copy()
        turn = np.exp(2j * angle)[:, None].astype(visibility.dtype)
        visibility[..., observed.correlations.index("RL")] *= turn
        visibility[..., observed.correlations.index("LR")] *= turn.conj()
        return replace(observed, visibility=visibility)
    places = [observed.correlations.index(name) for name in LINEAR]
    real = observed.visibility.real.dtype
    cos, sin = (part(angle)[:, None].astype(real) for part in (np.cos, np.sin))
    xx, xy, yx, yy = (observed.visibility[..., at] for at in places)
    top, bottom = (cos * xx - sin * yx, cos * xy - sin * yy), (sin * xx + cos * yx, sin * xy + cos * yy)
    visibility = np.empty_like(observed.visibility)
    for row, (a, b) in enumerate((top, bottom)):
        visibility[..., places[2 * row]] = cos * a - sin * b
        visibility[..., places[2 * row + 1]] = sin * a + cos * b
    bad = np.broadcast_to(observed.bad.any(axis=-1, keepdims=True), observed.bad.shape).copy()
    weight = np.broadcast_to(observed.weight.mean(axis=-1, keepdims=True), observed.weight.shape).copy()
    return replace(observed, visibility=visibility, weight=weight, bad=bad)


def check_hands(correlations: tuple[str, ...], where: str) -> None:
    """Raise UsageError unless all four hands are there: they turn into each other."""
    if not (set(LINEAR) <= set(correlations) or set(CIRCULAR) <= set(correlations)):
        raise UsageError(f"{where}: --parallactic needs all four hands, and {', '.join(correlations)} are on file")
