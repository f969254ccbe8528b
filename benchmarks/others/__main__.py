"""`python -m benchmarks.others NAME ...`: the module of that name beside this one, with the other arguments."""

import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(each.stem for each in Path(__file__).parent.glob("[a-z]*.py"))

if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
    raise SystemExit(f"python -m benchmarks.others {'|'.join(NAMES)} ...")
import_module(f"benchmarks.others.{sys.argv[1]}").main(sys.argv[2:])
