"""The pipeline in one process, in plain Python: a test bed for functions before daemons run them.

`python examples/pipeline.py obs.ms DIR size=1024 scale=1.2arcsec`: the files in DIR are bit for bit those of `fip run`.
Each step is the very function that a daemon calls: print what comes of it, step into it, put your own in its place.
"""

import sys
from contextlib import closing
from pathlib import Path

from fip.data.errors import FipError
from fip.data.settings import Asked, asked
from fip.sink.store import Store
from fip.source.requests import cut, look
from fip.ventilator.supply import plan_of
from fip.wire.codec import decode_image, decode_slice, encode_image
from fip.worker.imager import Imager

WHOLE = None  # it is not being written any more


def main(measurement_set: Path, directory: Path, wanted: Asked) -> None:
    """Source -> encode -> decode -> stages -> encode -> decode -> store, slice by slice."""
    imager = Imager()  # with what a worker has, kernels and stages
    facts = look(measurement_set, wanted, WHOLE)
    print(*facts.notes, sep="\n")
    with closing(Store(directory)) as store:
        if refusal := store.open_run(plan_of(measurement_set, facts, wanted)):
            sys.exit(refusal)
        for index, time in enumerate(facts.times):
            # The ventilator's reading child reads, selects, weights, compresses, and encodes: `frames` are sent.
            frames = cut(measurement_set, wanted, WHOLE, facts.run, index).frames
            # A worker decodes the slice, passes it through its stages, and writes FITS files.
            values = decode_slice(frames)
            image = imager(values, device="cpu", worker="here", waited=0.0)
            # The sink checks what arrives, stores it, and enters it in the ledger.
            path = store.put(decode_image(encode_image(image)))
            print(f"{path}: TIME {time:.1f} s, rms {image.statistics.rms if image.statistics else 'none'}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), asked(**dict(word.split("=", 1) for word in sys.argv[3:])))
    except FipError as error:
        sys.exit(f"pipeline: {error}")
