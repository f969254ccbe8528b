"""A verdict from the page: an operator's request, which a real detector enters; the monitor writes nothing."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from fip.data.errors import FipError
from fip.data.vetting import Said
from fip.events.vetted import told
from fip.events.vetting import STORE, TABLE, enter, history
from fip.wire.messages import PipelineStatus, Vet
from support.browser import browser, keep, unnamed
from support.found_events import EVENTS, FAINTER, FLARE, event, write_found
from support.mesh import Mesh
from support.monitor_process import Web, monitor
from support.stored_run import RUN, store_run

pytestmark = pytest.mark.timeout(400)  # s: it waits for a browser, on a busy machine, too

API = f"/api/runs/{RUN}/transients"
FOUND = f"{RUN[:8]}-I-000004-1"  # by the detector, in these images


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mesh, Web]]:
    """A ventilator and a monitor, at the images of a run that is over; a detector may be started."""
    folder = tmp_path_factory.mktemp("vetting")
    store_run(folder / "images", count=12)
    write_found(folder / "images", [each | {"beam": 0.002} for each in EVENTS], folders=False)
    mesh = Mesh(folder, settings='[detector]\nreference = "none"\n')
    mesh.names = ["ventilator"]
    with mesh, monitor(folder) as web:
        mesh.wait(lambda status: True)
        yield mesh, web


def has_searched(mesh: Mesh, status: PipelineStatus) -> bool:
    """Whether a detector is there that has found what there is."""
    table = mesh.images / "transients" / "events.ecsv"
    return any(each.status.name == "detector" for each in status.followers) and FOUND in table.read_text()


def token(mesh: Mesh) -> str:
    """Return the token with which the page may ask for a change."""
    return (mesh.folder / "token").read_text().strip()


@pytest.mark.parametrize(
    ("where", "status", "says"),
    [
        (
            f"{FLARE}/label?label=nonsense",
            400,
            "label: 'nonsense' is no verdict: real, rfi, satellite, artefact, or none",
        ),
        (f"{FLARE}/label", 400, "label: '' is no verdict"),
        ("another/label?label=rfi", 404, "no event of this run has such a name"),
        (
            f"{FLARE}/label?label=rfi",
            503,
            f"no detector is there, which would enter it: `fip event DIR {FLARE} --label rfi`",
        ),
    ],
)
def test_what_cannot_be_entered_is_refused(node: tuple[Mesh, Web], where: str, status: int, says: str) -> None:
    """The message is one line; and whoever does not show the token is not heard at all."""
    mesh, web = node
    assert web.post(f"{API}/{where}", Origin=web.origin).status == 401
    answer = web.post(f"{API}/{where}", Origin=web.origin, Authorization=f"Bearer {token(mesh)}")
    assert (answer.status, json.loads(answer.body)["error"][: len(says)]) == (status, says)
    assert not (mesh.images / "transients" / STORE).exists()


def test_the_page_asks_and_the_detector_enters(node: tuple[Mesh, Web], tmp_path: Path) -> None:
    """It says why nothing was entered, that it was asked for, and then who said it; once more takes it back."""
    mesh, web = node
    transients = mesh.images / "transients"
    with browser(tmp_path, 1400) as (page, errors):
        page.goto(web.origin)
        page.get_by_label("You are").fill("anna")
        card = page.locator("#events li").first
        said = card.locator("[role=status]")
        card.get_by_role("button", name="artefact", exact=True).click()
        page.get_by_label("Token").fill(token(mesh))
        page.locator("#token-ok").click()
        expect(said).to_have_text(re.compile(r"^artefact: not entered: no detector is there"))
        assert history(transients) == ()

        enter(transients, FAINTER, "artefact", "ben", "by a process that was killed before it had written the table")
        (transients / TABLE).unlink()
        mesh.start("detector")
        mesh.wait(lambda status: has_searched(mesh, status))
        assert (transients / TABLE).exists()
        card = page.locator("#events li").nth(0)
        expect(page.locator("#events li")).to_have_count(2)
        expect(card.locator(".event")).to_contain_text("S/N 86.")
        (found,) = [each for each in json.loads(web.get(API).body)["events"] if each["id"] == FOUND]
        there = {name: found[name] for name in ("ra", "dec", "beam")}
        beside = mesh.folder / "beside"  # another job of the node, in which something was here before
        beside.mkdir()
        write_found(beside, [event("other-0", "", (1, 2), (3, 4)) | there], folders=False)
        enter(beside / "transients", "other-0", "satellite", "ben", "before")
        expect(card).to_contain_text("here before: satellite, says ben, ")
        said, real, rfi = (
            card.locator("[role=status]"),
            *(card.get_by_role("button", name=name) for name in ("real", "rfi")),
        )
        real.click()
        expect(said).to_have_text(re.compile(r"^real, says anna, 20.* UTC$"))
        expect(real).to_have_attribute("aria-pressed", "true")
        expect(said).to_have_text(re.compile(r"^real"))
        mesh.kill("detector", signal.SIGSTOP)
        rfi.click()
        expect(said).to_have_text("asked: rfi")
        mesh.kill("detector", signal.SIGCONT)
        expect(said).to_have_text(re.compile(r"^rfi, says anna, "))
        assert unnamed(page) == []
        page.locator("#transients").scroll_into_view_if_needed()
        keep(page, "page-vetting-1400", tmp_path)
        page.emulate_media(color_scheme="dark")
        keep(page, "page-vetting-1400-dark", tmp_path)
        page.set_viewport_size({"width": 390, "height": 900})
        keep(page, "page-vetting-390-dark", tmp_path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        rfi.click()
        expect(said).to_have_text("")
        expect(rfi).to_have_attribute("aria-pressed", "false")
        entered = history(transients)[1:]
        assert [(each.event, each.verdict.label, each.verdict.user) for each in entered] == [
            (FOUND, label, "anna") for label in ("real", "rfi", "none")
        ]
        # what is refused is said on the console by the browser itself
        assert [each for each in errors if "401" not in each and "503" not in each] == []


def test_the_detector_says_why_it_does_not(node: tuple[Mesh, Web]) -> None:
    """The operator reads that there is no such event, or no such directory; said twice, a verdict is entered once."""
    mesh, web = node
    if "detector" not in mesh.daemons:
        mesh.start("detector")
    mesh.wait(lambda status: has_searched(mesh, status))

    def vet(request: str, directory: str, event: str, said: Said) -> None:
        with mesh.operator() as operator:
            operator.vet(Vet(request, directory, event, said, "ben"))

    with pytest.raises(FipError, match=r"^the detector does not enter it: .*/images has no event another: "):
        vet("a", "", "another", "rfi")
    with pytest.raises(
        FipError, match=r"^the detector does not enter it: .*/night is not followed here: it has no images"
    ):
        vet("b", "night", FOUND, "rfi")
    before = len(history(mesh.images / "transients"))
    for _ in range(2):
        vet("c", "", FOUND, "satellite")
    after = history(mesh.images / "transients")
    assert (len(after), after[-1].verdict.user) == (before + 1, "ben")
    shown = {each["id"]: each for each in json.loads(web.get(API).body)["events"]}
    assert shown[FOUND]["verdict"] == told(after[-1].verdict)
