"""`python -m benchmarks.trap DIR`: what PySE and TraP read of a directory of FIP's, with all that is in it.

PySE, with which TraP finds sources, opens each image of DIR/images.txt as TraP does, and finds sources as TraP does (8
and 3 sigma). It opens those beside them (-pbcor, means), too. With `--trap PYTHON`, a Python that has TraP (`tkp`), and
`--database`, an empty one of PostgreSQL, TraP itself is run on images.txt: `trap-manage.py` makes a project and a job,
and runs it; its tables are compared with the headers. TraP 4.0, the newest on the package index, is for Python 2.7:

    pip2.7 install tkp psycopg2-binary 'sqlalchemy<1.4' 'alembic<1.5' 'colorlog<5'
    python -m benchmarks.trap obs.fip --trap python2.7 --database trap@127.0.0.1:5432/trap

It exits with 1 if something is read otherwise than it is.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from astropy.io import fits

DETECTION, ANALYSIS = 8.0, 3.0  # S/N, TraP's defaults
CLOSE = 1e-6


@dataclass(frozen=True)
class Read:
    """What a reader made of an image, of what TraP needs."""

    start: datetime
    seconds: float  # that it lasted
    frequency: float  # Hz, here and below
    width: float
    beam: tuple[float, float]  # deg, half of major and minor axis


def main(arguments: list[str] | None = None) -> int:
    """Read a directory; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--most", type=int, default=20, help="images in which PySE finds sources")
    parser.add_argument("--trap", metavar="PYTHON", help="a Python that has tkp")
    parser.add_argument("--database", metavar="USER@HOST:PORT/NAME", help="an empty one, for TraP to fill")
    given = parser.parse_args(arguments)
    if bool(given.trap) != bool(given.database):
        parser.error("--trap and --database: give both or neither")
    directory: Path = given.directory.resolve()
    listed = [directory / line for line in (directory / "images.txt").read_text().split()]
    faults = [*order_faults(listed), *with_pyse(directory, listed, given.most)]
    if given.trap:
        faults += with_trap(given.trap, given.database, listed)
    for fault in faults:
        print(f"WRONG: {fault}")
    print("all is read as it is" if not faults else f"{len(faults)} read otherwise")
    return 1 if faults else 0


def expected(path: Path) -> Read:
    """Return what the header says, by the keywords of the FITS standard."""
    header = fits.getheader(path)
    return Read(
        datetime.fromisoformat(header["DATE-BEG"]),
        header["XPOSURE"],
        header["CRVAL3"],
        header["CDELT3"],
        (header["BMAJ"] / 2, header["BMIN"] / 2),
    )


def order_faults(listed: list[Path]) -> Iterator[str]:
    """Yield the faults of images.txt: all dirty images that are not empty, in order of time, and nothing else."""
    if wrong := [path.name for path in listed if not path.name.endswith("-dirty.fits") or not path.is_file()]:
        yield f"images.txt has {wrong[0]}, which is no dirty image"
    times = [fits.getheader(path)["MJD-BEG"] for path in listed]
    if times != sorted(times):
        yield "images.txt is not in order of time"


def differences(name: str, read: Read, true: Read) -> Iterator[str]:
    """What was read otherwise than it is."""
    if abs((read.start - true.start).total_seconds()) > 1e-3:
        yield f"{name}: start {read.start}, not {true.start}"
    pairs = {
        "duration": (read.seconds, true.seconds), "frequency": (read.frequency, true.frequency),
        "bandwidth": (read.width, true.width), "major axis": (read.beam[0], true.beam[0]),
        "minor axis": (read.beam[1], true.beam[1]),
    }  # fmt: skip
    for what, (one, other) in pairs.items():
        if not math.isclose(one, other, rel_tol=CLOSE):
            yield f"{name}: {what} {one}, not {other}"


def with_pyse(directory: Path, listed: list[Path], most: int) -> Iterator[str]:
    """What PySE reads otherwise; it prints sources on standard output."""
    from sourcefinder import accessors
    from sourcefinder.config import Conf, ExportSettings, ImgConf

    conf = Conf(image=ImgConf(detection_thr=DETECTION, analysis_thr=ANALYSIS), export=ExportSettings())
    for path in listed:
        with warnings.catch_warnings():
            warnings.simplefilter("error", category=fits.verify.VerifyWarning)
            read = accessors.open(str(path))
        scale = abs(read.pixelsize[0])
        beam = (read.beam[0] * scale, read.beam[1] * scale)
        found = Read(read.taustart_ts, read.tau_time, read.freq_eff, read.freq_bw, beam)
        yield from differences(path.name, found, expected(path))
    counts = []
    for path in listed[:: math.ceil(len(listed) / most) or 1]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found_ = accessors.sourcefinder_image_from_accessor(accessors.open(str(path)), conf=conf).extract()
        counts.append(0 if found_ is None else len(found_))
    print(f"PySE opens {len(listed)} images; in {len(counts)} of them {min(counts)} to {max(counts)} sources")
    beside = sorted({*directory.glob("*-pbcor.fits"), *directory.glob("transients*/means/*.fits")})
    for path in beside:
        accessors.open(str(path))
    print(f"PySE opens {len(beside)} images beside them (-pbcor, means), which are not in images.txt")


def with_trap(python: str, database: str, listed: list[Path]) -> Iterator[str]:
    """What TraP's tables have otherwise, after it has run on the images."""
    user, host, port, name = re.fullmatch(r"([^@]+)@([^:]+):(\d+)/(.+)", database).groups()  # type: ignore[union-attr]
    told = {"database": name, "user": user, "password": user, "host": host}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "project"
        _manage(python, ["initproject", place.name], Path(folder))
        config = (place / "pipeline.cfg").read_text()
        for key, value in told.items():
            config = re.sub(rf"(?m)^{key}\s*=.*$", f"{key} = '{value}'", config)
        config = re.sub(r"(?m)^port\s*=.*$", f"port = {port}", config).replace('"multiproc"', '"serial"')
        (place / "pipeline.cfg").write_text(config.replace("copy_images = True", "copy_images = False"))
        _manage(python, ["initjob", "fip"], place)
        (place / "fip" / "images_to_process.py").write_text(f"images = {[str(path) for path in listed]!r}\n")
        _manage(python, ["initdb", "-y"], place, unless="median")
        _ask(python, told, port, _MEDIAN)
        _manage(python, ["run", "fip"], place)
    images = _ask(
        python, told, port, "SELECT url, taustart_ts, tau_time, freq_eff, freq_bw, rb_smaj, rb_smin FROM image"
    )
    (counts,) = _ask(
        python, told, port,
        "SELECT (SELECT count(*) FROM rejection), (SELECT count(*) FROM extractedsource WHERE extract_type = 0), "
        "(SELECT count(*) FROM runningcatalog), (SELECT count(*) FROM varmetric)",
    )  # fmt: skip
    print(
        f"TraP has {len(images)} images, {counts[0]} rejected; {counts[1]} sources found blindly, of {counts[2]} "
        f"objects, {counts[3]} with variability metrics"
    )
    by_url = {Path(row[0]).name: row for row in images}
    for path in listed:
        if path.name not in by_url:
            yield f"TraP has no {path.name}"
            continue
        _, start, *numbers = by_url[path.name]
        seconds, frequency, width, major, minor = map(float, numbers)
        read = Read(datetime.fromisoformat(start), seconds, frequency, width, (major, minor))
        yield from differences(f"TraP: {path.name}", read, expected(path))
    if counts[0]:
        yield f"TraP rejected {counts[0]}"
    if not counts[3]:
        yield "TraP did not come to its variability metrics"


_MEDIAN = """
DROP AGGREGATE IF EXISTS median(double precision);
CREATE OR REPLACE FUNCTION fip_median(double precision[]) RETURNS double precision AS
'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) FROM unnest($1) value' LANGUAGE sql IMMUTABLE;
CREATE AGGREGATE median(double precision)
(SFUNC = array_append, STYPE = double precision[], FINALFUNC = fip_median, INITCOND = '{}')
"""
"""TraP's own definition is none from PostgreSQL 14 on."""


def _manage(python: str, words: list[str], place: Path, unless: str | None = None) -> None:
    """A command of TraP's; RuntimeError with its last lines if it fails, unless it says that word."""
    code = "import sys, tkp.management; sys.argv[0] = 'trap-manage.py'; tkp.management.main()"
    done = subprocess.run(
        [python, "-c", code, *words], cwd=place, capture_output=True, text=True, check=False, env=_environment()
    )
    if done.returncode and not (unless and unless in done.stderr):
        raise RuntimeError(f"trap-manage.py {words[0]}: {(done.stderr + done.stdout)[-2000:]}")


def _ask(python: str, told: dict[str, str], port: str, query: str) -> list[list[Any]]:
    """Rows of a query; none of a statement."""
    code = (
        "import json, sys, psycopg2; told, query = json.loads(sys.argv[1]); link = psycopg2.connect(**told); "
        "link.autocommit = True; cursor = link.cursor(); cursor.execute(query); "
        "rows = cursor.fetchall() if cursor.description else []; print(json.dumps(rows, default=str))"
    )
    words = json.dumps([told | {"port": port}, query])
    done = subprocess.run(
        [python, "-c", code, words], capture_output=True, text=True, check=True, env=_environment()
    )  # fmt: skip
    rows: list[list[Any]] = json.loads(done.stdout)
    return rows


def _environment() -> dict[str, str]:
    """Without the paths of this Python: TRAP_PATH, if it is set, is the other one's path to tkp."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return kept | ({"PYTHONPATH": os.environ["TRAP_PATH"]} if "TRAP_PATH" in os.environ else {})


if __name__ == "__main__":
    sys.exit(main())
