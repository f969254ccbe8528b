"""What the search for transients finds, and costs, on images that FIP makes, beside others that search images.

    OMP_NUM_THREADS=1 python -m benchmarks.transients [noise] [completeness] [means] [rivals] [cost] [following]
                   [--images N] [--layout disc|core|y|small|coarse] [--size N] [--reference none|running|auto]
                   [--seed N] [--apart PIXELS] [--quick]

noise: white noise in the visibilities of an array, imaged by `dirty_image`, slice by slice as the array turns, and
events found in the images beside those predicted by `fip.search.theory`. completeness: the same with point sources
added to the visibilities, of random place, sign, spectral index -3 to 3, S/N 4 to 12 and widths log-uniform from 1 to
64 slices, a few of them missing; the points at which half and nine tenths of them are found, by a cumulative normal
fitted to what was found, beside those wanted. means: sources of 256 slices in means of 32, of 4096 in means of 1024.
rivals: on the same images, others that search them (`rivals.py`). cost: CPU of one thread an image of 1024 x 1024
(--cost-size), beside that of `dirty_image` of 64 channels. following: how long after an image
is stored what it shows is entered. 4000 images of 512 x 512 are about a minute of a core; --quick takes a few seconds.
"""

import argparse
import math

from rich.console import Console

from benchmarks.__main__ import conditions, load
from benchmarks.report import print_table
from benchmarks.transients.completeness import completeness
from benchmarks.transients.cost import cost
from benchmarks.transients.following import following
from benchmarks.transients.noise import false_events_of
from benchmarks.transients.rivals import side_by_side, table
from benchmarks.transients.telescope import LAYOUTS, Telescope
from fip.search.theory import determinant_of, looks

PARTS = ("noise", "completeness", "means", "rivals", "cost", "following")
MEANS = {32: 256, 1024: 4096}  # slices of a mean, and of a source in such means


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transients", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}  [default: all]")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--layout", choices=tuple(LAYOUTS), default="disc")
    parser.add_argument("--size", type=int, default=512, help="pixels a side, but for cost")
    parser.add_argument("--cost-size", type=int, default=1024, help="pixels a side, of cost")
    parser.add_argument("--reference", choices=("none", "running", "auto"), default="none")
    parser.add_argument(
        "--apart", type=float, help="pixels from which noise peaks are two events  [default: 1.2 beams]"
    )
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="few and small images: to see that it works")
    arguments = parser.parse_args()
    parts = arguments.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        parser.error(f"part {unknown.pop()!r} is none of {', '.join(PARTS)}")
    size, images = (128, 300) if arguments.quick else (arguments.size, arguments.images)
    console = Console(width=160)
    console.print(conditions(), load(), sep="\n", highlight=False)
    telescope, reference, seed = Telescope(arguments.layout, size), arguments.reference, arguments.seed
    searched = telescope.searched(reference)
    what = (
        f"{arguments.layout}, {images} images of {size}^2, reference {reference}, seed {seed}, elevation "
        f"{telescope.elevation(0):.0f} deg, beam {telescope.widths()}, sqrt det Lambda "
        f"{math.sqrt(determinant_of(searched)):.3f} a pixel^2, {looks(6, 64):.1f} looks at 6 sigma"
    )
    if "noise" in parts:
        lines = false_events_of(telescope, images, reference, seed, arguments.apart)
        print_table(f"False events: {what}", "predicted", lines, console)
    if "completeness" in parts:
        lines = completeness(telescope, images, reference, seed + 1)
        print_table(f"Completeness: {what}", "wanted", lines, console)
    if "means" in parts:
        for mean, width in MEANS.items():
            lines = completeness(telescope, images, reference, seed + mean, width=width / mean)
            print_table(f"Sources of {width} slices in means of {mean}: {what}", "wanted", lines, console)
    if "rivals" in parts:
        for title, judged in side_by_side(telescope, images, seed + 2).items():
            console.print(table(f"{title}: {what}", judged), "")
    if "cost" in parts:
        lines = cost(128 if arguments.quick else arguments.cost_size, *((8, 1) if arguments.quick else (64, 3)))
        print_table("Cost", "imaging", lines, console)
    if "following" in parts:
        lines = following(128 if arguments.quick else arguments.cost_size, 40 if arguments.quick else 300)
        print_table("The detector, following a run", "", lines, console)
    console.print(load(), highlight=False)


if __name__ == "__main__":
    main()
