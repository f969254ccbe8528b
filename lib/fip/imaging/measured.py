"""An image with its statistics, and its pixels as their file has them: one pass does all that reads every pixel.

This compiles, or loads compiled code: only workers use it.
"""

from dataclasses import replace

import numpy as np

from fip.data.values import Image, Statistics, Written
from fip.fits.fitsfile import begun_file, folded
from fip.imaging.slant.buffers import goes_past, read_only
from fip.imaging.slant.words import swap_and_measure
from fip.imaging.statistics import rms_of


def measured(image: Image) -> Image:
    """Return the image with statistics of its first plane, None if that is all NaN, and its whole-band planes written.

    The statistics are those of `image_statistics`.
    """
    planes = image.pixels[:, 0]
    file, data, header = begun_file(planes)
    total, lowest, highest = 0, [], []
    for plane, out in zip(planes, data, strict=True):
        extremes = np.empty(2, planes.dtype)
        total += swap_and_measure(read_only(plane, plane.dtype).reshape(-1), out, extremes, goes_past(out))
        lowest.append(float(extremes[0]))
        highest.append(float(extremes[1]))
    rms = rms_of(planes[0])
    statistics = None if rms is None else Statistics(rms, lowest[0], highest[0])
    return replace(image, statistics=statistics, written=Written(image.pixels, file, header, folded(total)))
