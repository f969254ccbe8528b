"""FIP's gains beside CASA's applycal and DP3's, on a small simulated MeasurementSet.

`python -m benchmarks.others gains --casa PYTHON --dp3 PYTHON [--fixtures DIR]`: each PYTHON is that of an environment
with casatasks, casatools and casadata, or with dp3. Prints, by case, the largest difference of corrected visibilities
and weights relative to the largest value, and how many flags differ.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import casacore
import numpy as np
from casacore.tables import makecoldesc, table

from benchmarks.programs import REPOSITORY
from fip.corrections.gains.opening import open_gains

sys.path.insert(0, str(REPOSITORY / "tests"))

from support.gain_cases import CASES, Case, Made, expected_of, observed_of, tables_of

CASA = """
import json, os, sys
os.chdir(sys.argv[1])
from casatasks import applycal
for case in json.loads(sys.argv[2]):
    with open(case["set"] + ".txt", "w") as file:
        file.write(case["library"])
    applycal(case["set"], docallib=True, callib=case["set"] + ".txt", applymode="calflag", flagbackup=False)
"""
SOLVE = """
import os, sys
os.chdir(sys.argv[1])
from casatasks import applycal, bandpass, gaincal, gencal, setjy
ms, antennas = "solved.ms", "0,1,2,3,4"
delays = [0.3, -0.2, 1.0, 2.0, -1.5, 0.7, 0.0, 3.0, -2.0, 1.1]
gencal(ms, "solved.K", caltype="sbd", parameter=delays, pol="X,Y", antenna=antennas)
setjy(ms, standard="manual", fluxdensity=[1, 0, 0, 0], usescratch=True)
bandpass(ms, "solved.B", refant="0", solint="inf", minblperant=2, minsnr=0, gaintable="solved.K")
gaincal(ms, "solved.G", refant="0", solint="int", minblperant=2, minsnr=0, gaintable=["solved.K", "solved.B"])
tables = ["solved.K", "solved.B", "solved.G"]
applycal(ms, gaintable=tables, interp=["", "linear", "linear"], calwt=False, applymode="calflag", flagbackup=False)
"""
CONFIG = "import casadata\nmeasurespath = casadata.datapath\nmeasures_auto_update = data_auto_update = False\n"
CONFIG += "nologger = True\nlog2term = False\n"


def main(arguments: list[str]) -> None:
    """Print how far FIP is from the others; exit with 1 if it is farther than 1e-6."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.others gains", description=__doc__)
    parser.add_argument("--casa", type=Path, help="python of an environment with casatasks")
    parser.add_argument("--dp3", type=Path, help="python of an environment with dp3")
    parser.add_argument("--fixtures", type=Path, help="folder for what the others made, as the tests read it")
    options = parser.parse_args(arguments)
    worst = 0.0
    for program, python, correct in (("casa", options.casa, by_casa), ("dp3", options.dp3, by_dp3)):
        cases = [case for case in CASES.values() if case.program == program]
        if python is None:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            theirs = correct(python, Path(scratch), cases)
            for case in cases:
                worst = max(worst, compare(program, Path(scratch), case, theirs[case.name]))
                if options.fixtures:
                    keep(options.fixtures, case, theirs[case.name])
    if options.casa:
        with tempfile.TemporaryDirectory() as scratch:
            worst = max(worst, solved_by_casa(options.casa, Path(scratch)))
    print(f"largest difference: {worst:.1e}")
    raise SystemExit(worst > 1e-6)


def by_casa(python: Path, scratch: Path, cases: list[Case]) -> dict[str, Made]:
    """What applycal makes of the samples of each case."""
    (scratch / ".casa").mkdir()
    (scratch / ".casa/config.py").write_text(CONFIG)
    told = []
    for case in cases:
        write_set(scratch, case)
        library = tables_of(case, scratch)
        told.append({"set": f"{case.name}.ms", "library": library})
    command = [str(python), "-c", CASA, str(scratch), json.dumps(told)]
    subprocess.run(command, check=True, cwd=scratch, env={"HOME": str(scratch)}, stderr=sys.stdout)
    return {case.name: read_set(scratch, case) for case in cases}


def solved_by_casa(python: Path, scratch: Path) -> float:
    """The same with tables that CASA's own tasks have made: gencal, bandpass, gaincal."""
    (scratch / ".casa").mkdir()
    (scratch / ".casa/config.py").write_text(CONFIG)
    solved = Case("solved", lambda folder: "".join(f"caltable='solved.{kind}' calwt=False\n" for kind in "KBG"))
    write_set(scratch, solved)
    with table(str(scratch / "solved.ms"), readonly=False, ack=False) as main:
        main.putcol("DATA", 1 + 0.1 * main.getcol("DATA"))  # something to solve for
    subprocess.run([str(python), "-c", SOLVE, str(scratch)], check=True, env={"HOME": str(scratch)})
    tables_of(solved, scratch)
    return compare("casa", scratch, solved, read_set(scratch, solved))


def by_dp3(python: Path, scratch: Path, cases: list[Case]) -> dict[str, Made]:
    """What DP3's applycal makes of them, step by step."""
    (scratch / ".casarc").write_text(f"measures.directory: {Path(casacore.__file__).parent / 'data'}\n")
    for case in cases:
        write_set(scratch, case)
        tables_of(case, scratch)
        steps = [f"a{number}" for number in range(len(case.corrections))]
        told = [f"msin={case.name}.ms", "msout=.", "msout.datacolumn=CORRECTED_DATA", f"steps=[{','.join(steps)}]"]
        for step, correction in zip(steps, case.corrections, strict=True):
            told += [f"{step}.type=applycal", f"{step}.parmdb={case.name}.h5", f"{step}.correction={correction}"]
            told += [f"{step}.interpolation={case.in_time}"]
            told += [f"{step}.soltab=[amplitude000,phase000]"] if correction == "fulljones" else []
        program = python.parent / "DP3.py"
        made = subprocess.run(
            [python, program, *told],
            cwd=scratch,
            env={"OPENBLAS_NUM_THREADS": "1", "HOME": str(scratch)},
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise SystemExit(f"DP3: {case.name}: {made.stdout[-2000:]}{made.stderr[-2000:]}")
    return {case.name: read_set(scratch, case) for case in cases}


def write_set(scratch: Path, case: Case) -> None:
    """A MeasurementSet of the case's samples, made by `fip simulate` and written over."""
    observed, expected = observed_of(case), expected_of(case)
    path, blank = scratch / f"{case.name}.ms", scratch / "blank.ms"
    integrations = len(np.unique(observed.time))
    band = [
        f"--frequency={float(np.mean(observed.frequency))}",
        f"--bandwidth={float(observed.width.sum())}",
        f"--channels={len(observed.frequency)}",
    ]
    size = [f"--antennas={len(expected.antennas)}", f"--integrations={integrations}", "--weight-spectrum"]
    if not blank.exists():
        fip = Path(sys.executable).parent / "fip"
        subprocess.run([fip, "simulate", blank, *size, *band, "--flag-fraction=0"], check=True, capture_output=True)
    shutil.copytree(blank, path)
    with table(str(path), readonly=False, ack=False) as main:
        shape = observed.visibility.shape
        assert main.nrows() == shape[0] and main.getcell("DATA", 0).shape == shape[1:], (main.nrows(), shape)
        main.putcol("DATA", observed.visibility)
        main.putcol("FLAG", observed.bad)
        main.putcol("TIME", observed.time)
        main.putcol("ANTENNA1", observed.antenna1)
        main.putcol("ANTENNA2", observed.antenna2)
        main.putcol("WEIGHT_SPECTRUM", np.broadcast_to(observed.weight, shape).copy())
        main.putcol("WEIGHT", np.ones((shape[0], shape[2]), np.float32))
        main.putcol("SIGMA", np.ones((shape[0], shape[2]), np.float32))
        if "SIGMA_SPECTRUM" not in main.colnames():
            main.addcols(makecoldesc("SIGMA_SPECTRUM", main.getcoldesc("WEIGHT_SPECTRUM")))
        main.putcol("SIGMA_SPECTRUM", np.ones(shape, np.float32))
    with table(f"{path}/ANTENNA", readonly=False, ack=False) as sub:
        sub.putcol("NAME", list(expected.antennas))
    with table(f"{path}/SPECTRAL_WINDOW", readonly=False, ack=False) as sub:
        sub.putcell("CHAN_FREQ", 0, observed.frequency)


def read_set(scratch: Path, case: Case) -> Made:
    """Read the corrected samples of a set."""
    with table(str(scratch / f"{case.name}.ms"), ack=False) as main:
        columns = [main.getcol(name) for name in ("CORRECTED_DATA", "FLAG", "WEIGHT_SPECTRUM")]
        return Made(*columns)


def compare(program: str, scratch: Path, case: Case, theirs: Made) -> float:
    """Print one line; return the largest relative difference."""
    with table(str(scratch / f"{case.name}.ms"), ack=False) as main:
        observed = replace(observed_of(case), visibility=main.getcol("DATA"))
    gains = open_gains([str(scratch / case.file)], replace(expected_of(case), path=scratch / f"{case.name}.ms"))
    ours = gains.apply(observed)
    if program == "dp3":  # flags all correlations of a sample if one has no solution
        ours.bad[...] = ours.bad.any(axis=-1, keepdims=True)
    good = ~(theirs.flag | ours.bad)
    far = float(np.abs(ours.visibility - theirs.visibility)[good].max() / np.abs(theirs.visibility[good]).max())
    weight = np.broadcast_to(ours.weight, theirs.weight.shape)
    heavy = float(np.abs(weight - theirs.weight)[good].max() / theirs.weight[good].max()) if case.weights else 0.0
    flags = int(np.count_nonzero(theirs.flag != ours.bad))
    print(f"{program} {case.name:24} {far:8.1e} {heavy:8.1e} {flags:5} of {ours.bad.size} ({ours.bad.sum()} bad)")
    for note in gains.notes if flags or max(far, heavy) > 1e-6 else ():
        print(f"    {note.replace(str(scratch), '')}")
    return max(far, heavy, float(flags > 0))


def keep(folder: Path, case: Case, theirs: Made) -> None:
    """What the others made, for the tests."""
    folder.mkdir(parents=True, exist_ok=True)
    weight: dict[str, Any] = {"weight": theirs.weight} if case.weights else {}
    np.savez_compressed(folder / f"{case.name}.npz", visibility=theirs.visibility, flag=theirs.flag, **weight)
