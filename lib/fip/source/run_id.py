"""The id of a run: 16 hexadecimal digits that change with the data and with what was asked, and not with the path.

Options at their default are left out, so that a new option does not change the ids of old runs.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fip.data.names import RunId
from fip.data.older_formats import facts_of_0c91216
from fip.data.settings import Asked, Imaging, texts, without_extras
from fip.data.values import Band, Grid
from fip.source.columns import AUTOMATIC, Columns, scaled
from fip.source.index.row_index import RowIndex
from fip.source.recording import Recording
from fip.source.tables.subtables import Window


@dataclass(frozen=True)
class Ids:
    """The id of a run, and others under which a directory may have it."""

    run: RunId
    older: RunId | None  # the one that FIP gave it at 0c91216; None if it could not be asked for then
    others: Mapping[str, tuple[RunId, ...]]  # if the column is chosen automatically: those with another, by its name


def identify(
    main: Recording,
    index: RowIndex,
    windows: Sequence[Window],
    columns: Columns,
    settings: Imaging,
    pseudo: bool,
    grids: Mapping[str, Grid],
    bands: Sequence[Band],
    asked: Asked,
    corrections: Mapping[str, str],
) -> Ids:
    """Return the ids of a run with these columns, and with corrections of these digests, by the option's name."""
    antennas, asked = main.antennas, without_extras(asked)
    data = {
        "times": [index.first_time] if main.growing else [index.first_time, index.last_time],
        "rows": "growing" if main.growing else index.rows,
        "observation": [main.observation(number) for number in np.unique(index.observation).tolist()],
        "antennas": [antennas.names, antennas.position.tolist()],
        "windows": [[window.number, window.frequency.tolist(), window.correlations] for window in windows],
        "fields": {name: asdict(grid) for name, grid in grids.items()},
        "bands": [asdict(each) for each in bands],
    }
    joined = replace(asked, source=replace(asked.source, join=asked.source.join[:1]))  # the path is no part of the data
    said = {key: text for key, text in texts(joined).items() if key.removeprefix("source.") not in corrections}
    now = {"asked": said, "planes": settings.stokes} | ({"corrections": dict(corrections)} if corrections else {})
    then = facts_of_0c91216(asked, settings, pseudo)

    def ids(columns: Columns) -> tuple[RunId, ...]:
        scale = {} if columns.scale == 1 else {"scale": columns.scale}
        about = data | {"columns": {"visibility": columns.visibility, "model": columns.model} | scale}
        return tuple(_digest(about | facts) for facts in (now, then) if facts is not None)

    run, *older = ids(columns)
    others = [name for name in AUTOMATIC if name != columns.visibility] if asked.source.column == "auto" else []
    telescope, scale = main.observation(int(index.observation[0]))["TELESCOPE_NAME"], asked.source.askap_scale
    other = {name: scaled(replace(columns, visibility=name), scale, telescope) for name in others}
    return Ids(run, older[0] if older else None, {name: ids(each) for name, each in other.items()})


def _digest(facts: Mapping[str, Any]) -> RunId:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
