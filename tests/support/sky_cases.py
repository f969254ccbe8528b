"""Source lists of every kind: benchmarks/others/sky.py has others predict them, and tests keep what these made."""

FORMAT = (
    "Format = Name, Type, Patch, Ra, Dec, I, Q, U, V, SpectralIndex='[]', LogarithmicSI, ReferenceFrequency='1.3e9', "
    "MajorAxis, MinorAxis, Orientation, OrientationIsAbsolute"
)
LISTS = {
    "points": (
        "a, POINT, , 10:20:31.97, -45.10.44.02, 2.5",
        "b, POINT, , -13:41:40.5, -44.31.07.5, -0.75",
        "c, POINT, , 10:24:00, -45.59.59.9, 1",
    ),
    "logarithmic": (
        "a, POINT, , 10:20:31.97, -45.10.44.02, 2.5, , , , [-0.7], true",
        "b, POINT, , 10:18:19.5, -44.31.07.5, 1.5, , , , [-0.9, 0.3, -2.5], true, 1.1e9",
    ),
    "linear": (
        "a, POINT, , 10:20:31.97, -45.10.44.02, 2.5, , , , [-1.7, 3], false",
        "b, POINT, , 10:18:19.5, -44.31.07.5, 1.5, , , , [0.9, -4, 30], false, 1.2e9",
    ),
    "gaussians": (
        "a, GAUSSIAN, , 10:20:31.97, -45.10.44.02, 2.5, , , , [-0.7], true, , 30, 12, 25, true",
        "b, GAUSSIAN, , 10:40:00, -46.31.07.5, 1.5, , , , [], true, , 20, 0, 160, true",
        "c, GAUSSIAN, , 10:16:00, -44.31.07.5, 1, , , , [], true, , 25, 25, 0, true",
    ),
    "grid": ("a, GAUSSIAN, , 10:22:31.97, -45.10.44.02, 2.5, , , , [-0.7], true, , 30, 12, 25, false",),
    "patches": (
        ", , north, 10:20:00, -44.00.00",
        ", , south, 10:20:00, -46.00.00",
        "a, POINT, north, 10:20:31.97, -44.40.44.02, 2.5",
        "b, GAUSSIAN, south, 10:18:19.5, -45.31.07.5, 1.5, , , , [-0.9], true, 1.1e9, 10, 5, 90, true",
        "c, POINT, north, 10:18:19.5, -44.31.07.5, 0.5",
    ),
    "polarised": (
        "a, POINT, , 10:20:31.97, -45.10.44.02, 2.5, 0.3, -0.2, 0.1, [-0.7], true",
        "b, POINT, , 10:18:19.5, -44.31.07.5, 1.5, -0.1, 0.2, -0.3",
    ),
}


def text_of(name: str) -> str:
    """A list as DP3 and FIP read it."""
    return "\n".join((FORMAT, *LISTS[name])) + "\n"
