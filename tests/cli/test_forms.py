"""`fip event --as`, `--text` and `fip events --as`: events in the forms of others."""

import json
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from astropy.io.votable import parse
from astropy.table import QTable

from fip.alerts.exporting import table_written, written
from fip.alerts.forms import FORMS
from fip.archive.lightcurve import stored_entries
from fip.cli.detect import EventTable, events_command
from fip.cli.event import Form, event_command
from fip.data.errors import UsageError
from fip.events.describing import event_of
from fip.events.folder import write_event
from fip.events.listing import listed
from fip.events.tables import as_ecsv, found_table
from support.fip_command import fip
from support.measured_run import ON, SIGMA, flare_found, store_flare


def said(done: CompletedProcess[str]) -> str:
    """What a command printed, which has done what was asked of it."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def flare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory in which a flare was found, and what its event is called."""
    directory = tmp_path_factory.mktemp("flare")
    store_flare(directory, 20, ON, SIGMA, stokes=("I",))
    found = flare_found(directory)
    write_event(directory, found, stored_entries(directory))
    (directory / "transients" / "events.ecsv").write_text(as_ecsv(found_table([found])))
    return directory, found.id


def test_an_event_is_written_in_each_form(flare: tuple[Path, str], tmp_path: Path) -> None:
    """It goes to a file, or to the terminal; what is stored is archival; all that was measured is in it."""
    directory, name = flare
    facts = json.loads((directory / "transients" / name / "event.json").read_text())
    told = json.loads(said(fip("event", directory, name, "--as", "gcn")))
    assert (told["id"], told["alert_tense"], told["alert_type"]) == (name, "archival", "initial")
    assert (told["ra"], told["image_snr"], told["far"]) == (facts["ra"], facts["snr"], facts["far"])
    assert told["alert_datetime"] > "2026"
    root = ET.fromstring(written(event_of(directory, name), "voevent"))
    assert root.findtext(".//C1") == repr(facts["ra"])
    votable = tmp_path / "event.xml"
    assert said(fip("event", directory, name, "--as", "votable", "--output", votable)) == ""
    (row,) = parse(votable, verify="exception").resources[0].tables[0].to_table()
    assert (row["id"], row["tense"], row["unbiased"]) == (name, "archival", facts["unbiased"]["value"])
    assert " archival 20" in written(event_of(directory, name), "ecsv").decode()
    draft = said(fip("event", directory, name, "--text"))
    assert draft.startswith("SUBJECT: ____: a radio transient found with MeerKAT\n")
    assert "Before:         below " in draft


def test_events_are_written_as_a_table(flare: tuple[Path, str], tmp_path: Path) -> None:
    """The table has what was measured of each, and the directory that has it."""
    directory, name = flare
    facts = json.loads((directory / "transients" / name / "event.json").read_text())
    table = QTable.read(said(fip("events", directory, "--as", "ecsv")), format="ascii.ecsv")
    assert list(table["id"]) == [name]
    assert table["unbiased"][0].value == facts["unbiased"]["value"]
    assert table["directory"][0] == str(directory)
    output = tmp_path / "events.xml"
    said(fip("events", directory, "--as", "votable", "--output", output))
    assert len(parse(output, verify="exception").resources[0].tables[0].to_table()) == 1


def test_what_cannot_be_meant_is_one_line(flare: tuple[Path, str]) -> None:
    """It names the options, and what would work."""
    directory, name = flare
    nowhere = Path("no") / "x"
    for ask, why in (
        (
            partial(event_command, directory, name, as_form=Form.gcn, as_text=True),
            "--json, --as, --text and --ms: give one",
        ),
        (partial(event_command, directory, name, output=nowhere), "--output no/x: is for what --as or --text writes;"),
        (partial(events_command, [directory], as_table=EventTable.ecsv, as_json=True), "--json and --as: give one of"),
        (partial(events_command, [directory], output=nowhere), "--output no/x: is for what --as writes; give --as vot"),
        (partial(event_command, directory, name, as_text=True, output=nowhere), "--output no/x: cannot be written: No"),
    ):
        with pytest.raises(UsageError) as refused:
            ask()
        assert str(refused.value).startswith(why)


def test_facts_that_somebody_has_changed_are_one_line(flare: tuple[Path, str]) -> None:
    """The line has the file, and what would work."""
    directory, name = flare
    path = directory / "transients" / name / "event.json"
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"unbiased": 3, "ellipse": 4}))
    told = rf"^{path}: it is not as FIP wrote it \(.*`fip detect` writes it anew$"
    with pytest.raises(UsageError, match=told):
        written(event_of(directory, name), "gcn")
    with pytest.raises(UsageError, match=told):
        table_written(listed([directory]), "ecsv")
    path.write_text(before)


def test_the_command_knows_each_form() -> None:
    """`text` has an option of its own."""
    assert {str(each) for each in Form} | {"text"} == FORMS.keys()
