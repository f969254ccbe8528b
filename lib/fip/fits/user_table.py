"""A table of a stage as a FITS BINTABLE behind an image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fip.data.values import Table
from fip.fits.header import CardTuple, card

_FORMS = {"b1": "L", "u1": "B", "i2": "I", "i4": "J", "i8": "K", "f4": "E", "f8": "D"}


def table_unit(name: str, table: Table, comment: str = "made by a stage") -> tuple[str, NDArray[Any]]:
    """Return all cards of its header except CHECKSUM, DATASUM and END, and its bytes, filled up to whole words."""
    columns = {column: _as_stored(values) for column, (values, _) in table.columns.items()}
    rows: NDArray[np.void] = np.zeros(
        len(next(iter(columns.values()))), [(column, values.dtype) for column, values in columns.items()]
    )
    for column, values in columns.items():
        rows[column] = values
    cards: list[CardTuple] = [
        ("XTENSION", "BINTABLE", comment), ("BITPIX", 8, ""), ("NAXIS", 2, ""),
        ("NAXIS1", rows.dtype.itemsize, ""), ("NAXIS2", len(rows), ""), ("PCOUNT", 0, ""), ("GCOUNT", 1, ""),
        ("TFIELDS", len(columns), ""), ("EXTNAME", name, ""),
    ]  # fmt: skip
    for number, (column, values) in enumerate(columns.items(), 1):
        unit = table.columns[column][1]
        cards += [(f"TTYPE{number}", column, ""), (f"TFORM{number}", _form(table.columns[column][0], values), "")]
        cards += [(f"TUNIT{number}", unit, "")] if unit else []
    content = rows.tobytes()
    words = np.frombuffer(content + bytes(-len(content) % 4), ">u4")
    return "".join(card(*each) for each in cards), words


def _as_stored(values: NDArray[Any]) -> NDArray[Any]:
    """Convert values to a type that FITS has, big-endian; a truth value is T or F."""
    if values.dtype.kind == "b":
        return np.where(values, b"T", b"F").astype("S1")
    if values.dtype.kind == "S":
        return values
    wider = {"i1": "i2", "u2": "i4", "u4": "i8", "u8": "i8", "f2": "f4"}
    name = values.dtype.str[1:]
    return values.astype(f">{wider.get(name, name if name in _FORMS else 'f8')}")


def _form(given: NDArray[Any], stored: NDArray[Any]) -> str:
    if given.dtype.kind == "b":
        return "1L"
    return f"{stored.dtype.itemsize}A" if stored.dtype.kind == "S" else f"1{_FORMS[stored.dtype.str[1:]]}"
