"""`fip event DIR ID --ms OUT.ms` of a stream: what was set aside, as a MeasurementSet."""

from pathlib import Path

import numpy as np
import pytest
from casacore import tables

from fip.data.errors import UsageError
from fip.events.raw import RAW
from fip.events.words import FOLDER
from fip.local.event_data import copy_event_data
from fip.spool.aside import set_aside
from fip.spool.reading import Spool
from support.followed_images import FollowedImages
from support.spools import spool
from support.stored_run import RUN


def test_of_a_stream_what_was_set_aside_is_written(tmp_path: Path) -> None:
    """If nothing was, it says what the ring can still give."""
    ring = spool(tmp_path, range(12))
    images = FollowedImages(tmp_path / "images", 3, of=ring)
    images.put(0)
    images.close()
    event, said, output = {"id": "flare", "run": RUN, "first": 0, "last": 0}, list[str](), tmp_path / "flare.ms"
    with pytest.raises(UsageError, match=r"nothing was set aside for flare; `fip spool export .* --ms"):
        copy_event_data(images.directory, event, output, None, said.append)
    aside = images.directory / FOLDER / "flare" / RAW
    set_aside(Spool(ring), aside, 0.0, 1e12)
    copy_event_data(images.directory, event, output, None, said.append)
    assert said == [f"{output}: 12 integrations of {aside}"]
    rows = tables.table(str(output), ack=False)
    assert len(np.unique(rows.getcol("TIME"))) == 12
    rows.close()
