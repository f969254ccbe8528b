"""`fip detect --alert` and `--anew`: old data is reported if that is asked for, and the world's memory is kept."""

from contextlib import closing
from pathlib import Path

import pytest

import fip.events.folder
from fip.alerts.outbox import Outbox
from fip.config import AlertTarget
from fip.data.errors import DamagedLedgerError
from fip.events.words import FOLDER, Asked
from fip.local.detecting import detect, search
from support.alerting_night import AlertingNight
from support.entered_alerts import became
from support.webhook import Webhook


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with a transient, that nobody has searched."""
    monkeypatch.setattr(fip.events.folder, "_picture", lambda *given: b"a picture")
    with closing(AlertingNight(tmp_path / "night.fip", 40, {}, ((12.3, 20.6, 18, 5, 6.0),))) as made:
        for index in range(40):
            made.image(index, look=False)
    for path in (tmp_path / "night.fip" / FOLDER).iterdir():
        path.unlink()
    return tmp_path / "night.fip"


def test_a_search_of_old_data_tells_if_it_is_asked_to(night: Path) -> None:
    """It is sent as archival, and once: another search, and one that begins anew, send nothing more."""
    said: list[str] = []
    with Webhook() as webhook:
        targets = {"hub": AlertTarget(url=webhook.url)}
        detect(night, Asked(inject=False), lambda text, style="": said.append(text))
        assert not (night / FOLDER / "alerts.sqlite").exists()
        search(night, night / FOLDER, Asked(inject=False), lambda text, style="": said.append(text), targets)
        assert said[-4:-2] == [
            "1 event of more than a day ago: no news, and not told; "
            f"`fip detect {night} --alert --config FILE` tells that as archival",
            "alerts: 0 sent, 0 due",
        ]
        for anew in (False, False, True):
            detect(night, Asked(inject=False), lambda text, style="": said.append(text), anew=anew, alerts=targets)
        [posted] = webhook.posts
    assert posted.told["alert_tense"] == "archival"
    assert became(night / FOLDER) == {(posted.id, "hub"): "sent"}
    assert "alerts: 1 sent, 0 due" in said


def test_an_outbox_that_is_damaged_hides_nothing_that_was_found(night: Path) -> None:
    """What was found is shown, and the search says what is wrong."""
    (night / FOLDER).mkdir(exist_ok=True)
    (night / FOLDER / "alerts.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(DamagedLedgerError, match=r"alerts\.sqlite is damaged"):
        detect(night, Asked(inject=False), lambda *text: None, alerts={"hub": AlertTarget(url="http://127.0.0.1:9")})
    assert (night / FOLDER / "events.ecsv").exists()
    with pytest.raises(DamagedLedgerError), closing(Outbox(night / FOLDER)):
        pass
