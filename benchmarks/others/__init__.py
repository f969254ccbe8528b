"""FIP's corrections beside those of other packages, each in an environment of its own, never in CI.

`python -m benchmarks.others gains|sky ...` runs one; docs/benchmarks.md has the figures.
"""
