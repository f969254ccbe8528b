"""What is doubtful about an image, in a word or two; nothing is dropped for it.

`quality` goes by the slice alone, so that a worker can say it; `noisy` needs the other images of a run.
"""

from collections.abc import Sequence
from math import inf, sqrt
from statistics import median

from fip.data.values import Beam, Slice, Statistics

GAUSSIAN_RMS_PER_MAD = 1.4826  # 1/Phi^-1(3/4): Rousseeuw & Croux 1993, JASA 88, 1273

GOOD = "good"
EMPTY = "empty"
FLAGGED = "flagged"
INCOMPLETE = "incomplete"
BEAM = "beam"
ARTEFACTS = "artefacts"
BLANK = "blank"
GARBLED = "garbled"
NOISE = "noise"
CALIBRATION = "calibration"
SKY = "sky"
UNCALIBRATED = "uncalibrated"

FLAGGED_SHARE = 0.5
"""With more than half of the samples flagged the noise is up by more than sqrt(2), and sidelobes with it."""

COMPLETE_SHARE = 0.5
"""With less than half of the expected samples there, likewise: sub-bands or packets are missing."""

BEAM_FACTOR = 2.0
"""An axis of the beam longer or shorter by this than that of the field's first slice with nothing flagged.

The outer half of the baselines gone doubles a beam; the rotation of the Earth does as much to the axis towards the
zenith only when a field that begins at the zenith sinks below an elevation of 30 degrees, 1/sin(30 deg) = 2.
"""

NEGATIVE_SIGMA = 7.0
"""A negative peak of a total intensity counts from here on: of 10^7 independent pixels 10^-5 are below -7 sigma."""

NOISE_FACTOR = 2.0
"""Noise of twice the median of a run is that of three quarters of the samples lost, or of interference."""

FLARE_SIGMA = NEGATIVE_SIGMA
"""A peak that rises by this times what the noise rises by, in squares, is a source: noise has no such peaks."""

AMPLITUDES = (0.8, 1.2)
"""Limits of the model's amplitude in the visibilities, over its own: outside, gains or the model are wrong."""

OFFSET_BEAMS = 0.2
"""Bright model sources that are off by more leave a tenth of their flux and more beside them."""

SKY_FACTOR = 1.5
"""Noise above what the visibilities scatter by a half is no noise: sources are left, and a better model is needed."""

BRIGHT = 8.0
"""A pixel so many times its noise above or below 0 makes its slice bright. A search for transients takes its source
off by the slice's point spread function, which is stored beside it for that (`make_psf = "bright"`)."""

TOTAL_INTENSITY = ("I", "XX", "YY", "RR", "LL")
"""Planes whose pixels cannot be negative but for noise and sidelobes."""


def quality(slice_: Slice, beam: Beam | None, statistics: Statistics | None, offset: float | None = None) -> str:
    """ "good", "empty", or what is doubtful, joined by "+".

    That is "blank", "garbled", "incomplete", "flagged", "beam", "artefacts", and of a slice with corrections
    "calibration", "sky". "uncalibrated" has data as the correlator made them, without gains.

    `statistics` are those of the first plane, None if it has no finite pixel. Blank: so it is, or all of its pixels are
    one number, or some are infinite. Garbled: samples held numbers that no telescope gives, and are left out.
    Incomplete: most of the samples that are expected are not there. Artefacts: its negative peak is deeper than the
    positive one is high, and not noise; a sky of sources cannot look so, as no sidelobe is as deep as the main lobe is
    high. Calibration: the model that was subtracted is in the data with another amplitude (the slice's number
    `model.amplitude`), or its bright sources are off by `offset`, in beams. Sky: the noise is above that expected
    (`noise.expected`) by a half; a model of the sky is needed, or a better one.
    """
    if slice_.empty:
        return EMPTY
    faults = []
    if not _shows(statistics):
        faults.append(BLANK)
    if slice_.garbled:
        faults.append(GARBLED)
    if UNCALIBRATED in slice_.numbers:
        faults.append(UNCALIBRATED)
    if slice_.complete < COMPLETE_SHARE:
        faults.append(INCOMPLETE)
    if slice_.samples and slice_.visibilities[0].sum() < (1 - FLAGGED_SHARE) * slice_.samples:
        faults.append(FLAGGED)
    if slice_.nominal_beam is not None and _unlike(beam, slice_.nominal_beam):
        faults.append(BEAM)
    if statistics is not None and slice_.settings.stokes[0] in TOTAL_INTENSITY:
        depth = -statistics.minimum
        if depth > NEGATIVE_SIGMA * statistics.rms and depth > statistics.maximum:
            faults.append(ARTEFACTS)
    amplitude, _ = slice_.numbers.get("model.amplitude", (1.0, ""))
    if not AMPLITUDES[0] <= amplitude <= AMPLITUDES[1] or (offset is not None and offset > OFFSET_BEAMS):
        faults.append(CALIBRATION)
    expected, _ = slice_.numbers.get("noise.expected", (inf, ""))
    if statistics is not None and statistics.rms > SKY_FACTOR * expected:
        faults.append(SKY)
    return "+".join(faults) or GOOD


def noisy(rms: Sequence[float | None], peaks: Sequence[float | None] = ()) -> list[bool]:
    """Return, for each image of a field and band, whether its noise is out of line with the others'.

    It is not without statistics, nor if the brightest pixel, of `peaks`, has risen with the noise and by far more: a
    source has flared, and what has risen are its sidelobes. Noise and interference have peaks of a few times their rms.
    """
    known = [each for each in rms if each is not None]
    high = [each for each in peaks if each is not None]
    usual, usual_peak = (median(values) if values else 0.0 for values in (known, high))

    def doubtful(found: float | None, peak: float | None) -> bool:
        if found is None or found <= NOISE_FACTOR * usual:
            return False
        return peak is None or peak - usual_peak < FLARE_SIGMA * sqrt(found**2 - usual**2)

    return [doubtful(*each) for each in zip(rms, peaks or [None] * len(rms), strict=True)]


def with_noise(found: str, noisy_too: bool) -> str:
    """The quality `found` of an image, with or without "noise" in it."""
    faults = [fault for fault in found.split("+") if fault not in (GOOD, NOISE)]
    return "+".join([*faults, *([NOISE] if noisy_too else [])]) or GOOD


def _shows(statistics: Statistics | None) -> bool:
    """Whether an image shows anything at all."""
    return statistics is not None and -inf < statistics.minimum < statistics.maximum < inf


def _unlike(beam: Beam | None, nominal: Beam) -> bool:
    if beam is None:
        return True
    ratios = (beam.major / nominal.major, beam.minor / nominal.minor)
    return not all(1 / BEAM_FACTOR < ratio < BEAM_FACTOR for ratio in ratios)
