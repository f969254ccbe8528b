"""Who may ask the monitor for what: hosts, origins, tokens and paths, against the real server."""

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from fip.data.errors import ConfigError
from fip.monitor.guard import Access, read_token
from support.fip_command import images
from support.monitor_process import WITHIN, Web, monitor, refused_start
from support.stored_run import RUN, TRANSIENT, store_run

TOKEN = "a-token-of-the-tests-0123456789"
SECRET = "the secret beside the images"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of images, and beside it what nobody may read."""
    folder = tmp_path_factory.mktemp("monitor")
    store_run(folder / "images", stokes=("I", "V"), empty=(2,), failed=(9,))
    (folder / "secret.txt").write_text(SECRET)
    (folder / "images" / "secret.txt").write_text(SECRET)
    (folder / "token").touch(0o600)
    (folder / "token").write_text(TOKEN)
    return folder


@pytest.fixture(scope="module")
def web(root: Path) -> Iterator[Web]:
    """Run the monitor on loopback."""
    with monitor(root) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(root: Path) -> Iterator[Web]:
    """The monitor on an address that other hosts reach."""
    with monitor(root, address="0.0.0.0:0") as running:
        yield running


def test_reading_is_open_on_loopback_alone(web: Web, guarded: Web) -> None:
    """Elsewhere there is but the empty page, and 401 for all the rest; the token opens it, a wrong one does not."""
    for path in ("/", "/assets/main.js", "/assets/style.css", "/api/state", "/api/config", "/api/runs", "/metrics"):
        assert web.get(path).status == 200
        public = path == "/" or path.startswith("/assets/")
        assert guarded.get(path).status == (200 if public else 401)
        assert guarded.get(path, Authorization=f"Bearer {TOKEN}").status == 200
        assert public or guarded.get(path, Authorization=f"Bearer {TOKEN}x").status == 401
    assert b"night" not in guarded.get("/").body


def test_a_cookie_reads_and_changes_nothing(guarded: Web) -> None:
    """It is given for the token, is hidden from scripts and other sites, and is not the token."""
    own = {"Origin": guarded.origin}
    assert guarded.post("/api/session", **own).status == 401
    signed = guarded.post("/api/session", Authorization=f"Bearer {TOKEN}", **own)
    assert signed.status == 200
    cookie = signed.headers["set-cookie"]
    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert TOKEN not in cookie
    name_and_value = cookie.split(";")[0]
    assert guarded.get("/api/runs", Cookie=name_and_value).status == 200
    assert guarded.get("/api/runs", Cookie=name_and_value[:-1]).status == 401
    assert guarded.get("/api/runs", Cookie=f"fip={name_and_value.split('=')[1]}").status == 401
    assert guarded.post("/api/jobs/night/cancel", Cookie=name_and_value, **own).status == 401


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "http://localhost.evil.example", "http://127.0.0.1:1"]
)
def test_a_change_must_come_from_the_page(web: Web, origin: str) -> None:
    """This holds even with the token, and on loopback."""
    token = {"Authorization": f"Bearer {TOKEN}"}
    refused = web.post("/api/jobs/night/cancel", **token, **({"Origin": origin} if origin else {}))
    assert refused.status == 403
    assert web.post("/api/jobs/night/cancel", Origin=web.origin).status == 401
    assert web.post("/api/jobs/night/cancel", Origin=web.origin, Authorization="Bearer wrong").status == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8570", "127.0.0.1.evil.example", "localhost@evil.example", "", "[::1", "a b"]
)
def test_unknown_hosts_are_refused(web: Web, host: str) -> None:
    """A page of another site whose name was made to point here (DNS rebinding) gets nothing."""
    assert web.get("/api/state", Host=host).status == 421
    assert web.get("/", Host=host).status == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST"])
def test_loopback_has_its_names_at_any_port(web: Web, host: str) -> None:
    """`ssh -L 9999:localhost:8570` is used like this."""
    assert web.get("/api/state", Host=f"{host}:9999").status == 200


ATTACKS = (
    "/assets/../guard.py", "/assets/..%2fguard.py", "/assets/%2e%2e/guard.py", "/assets//etc/passwd", "/assets/",
    "/..%2f..%2f..%2fetc%2fpasswd", "/api/runs/..%2f..%2fsecret.txt/log", "/api/runs/../secret.txt",
    f"/api/runs/{RUN}/images/..%2fsecret.txt/fits", f"/api/runs/{RUN}/images/0%2f..%2f..%2fsecret.txt/fits",
    f"/api/runs/{RUN}/images/-1/fits", f"/api/runs/{RUN}/images/99999999999999999999999/fits",
    f"/api/runs/{RUN}/images/9/fits", f"/api/runs/{RUN}/images/0/../../secret.txt",
    f"/api/runs/{RUN}'%20OR%201=1--/images", f"/api/runs/{RUN}%00/images", "/fip.sqlite", "/secret.txt",
    "/api/runs/images/log", f"/api/runs/{RUN}/images/{'9' * 5000}", f"/api/runs/{RUN}/images/{'0' * 5000}/pixels",
)  # fmt: skip


@pytest.mark.parametrize("path", ATTACKS)
def test_no_path_leads_to_a_file(web: Web, path: str) -> None:
    """Nothing but images of the ledger is ever read from disk: all else is 404, not a traceback."""
    answer = web.get(path)
    assert answer.status == 404
    assert SECRET.encode() not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize(
    "query",
    [
        "",
        "x=1",
        "x=a&y=1&like=0",
        "x=1&y=-1&like=0",
        "x=1e9&y=1&like=0",
        "x=%C2%B2&y=1&like=0",
        "x=1&y=1&like=0&plane=x",
    ],
)
def test_numbers_are_numbers(web: Web, query: str) -> None:
    """What is no number is a fault of the request, said in a line."""
    answer = web.get(f"/api/runs/{RUN}/lightcurve?{query}")
    assert answer.status == 400
    assert "a number from 0 is wanted" in json.loads(answer.body)["error"]


def test_what_is_outside_is_not_there(web: Web) -> None:
    """A pixel beyond the edge, a plane that no image has."""
    assert web.get(f"/api/runs/{RUN}/lightcurve?x=160&y=1&like=0").status == 404
    assert web.get(f"/api/runs/{RUN}/lightcurve?x=1&y=1&like=0&plane=2").status == 404
    assert web.get(f"/api/runs/{RUN}/images/0/pixels?plane=2").status == 404


def test_every_answer_tells_browsers_to_be_strict(web: Web) -> None:
    """No script but the page's own runs, nothing frames it, errors and refusals included."""
    answers = [web.get("/"), web.get("/nowhere"), web.get("/", Host="evil.example"), web.post("/api/session")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in answer.headers


def test_images_are_sent_as_they_are_stored(web: Web, root: Path) -> None:
    """Pixels, light curve and FITS are those of the files, to the last bit."""
    files = images(root / "images")
    listed = json.loads(web.get(f"/api/runs/{RUN}/images").body)
    assert listed["seen"] == len(files) == 11
    assert [each["file"] for each in listed["images"]] == [file.name for file in files]
    data = fits.getdata(files[3])
    for plane in (0, 1):
        answer = web.get(f"/api/runs/{RUN}/images/3/pixels?plane={plane}")
        shape = int(answer.headers["x-fip-height"]), int(answer.headers["x-fip-width"])
        np.testing.assert_array_equal(np.frombuffer(answer.body, "<f4").reshape(shape), data[plane, 0])
    shrunk = web.get(f"/api/runs/{RUN}/images/3/pixels?most=80")
    blocks = data[0, 0].reshape(80, 2, 80, 2).max(axis=(1, 3))
    np.testing.assert_array_equal(np.frombuffer(shrunk.body, "<f4").reshape(80, 80), blocks)
    assert shrunk.headers["x-fip-block"] == "2"
    x, y = TRANSIENT
    curve = json.loads(web.get(f"/api/runs/{RUN}/lightcurve?x={x}&y={y}&like=0").body)["points"]
    stored = [float(fits.getdata(file)[0, 0, y, x]) for file in files]
    assert [each["flux"] for each in curve] == [None if np.isnan(value) else value for value in stored]
    whole = web.get(f"/api/runs/{RUN}/images/3/fits")
    assert whole.body == files[3].read_bytes()
    assert files[3].name in whole.headers["content-disposition"]


def test_the_token_file_is_private_and_made_once(tmp_path: Path) -> None:
    """Only its owner may read it; what holds no good token is refused, and said so."""
    place = tmp_path / "token"
    token = read_token(place)
    assert len(token) >= 32
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert read_token(place) == token
    for bad in ("", "short", "two words of a long enough text"):
        place.write_text(bad)
        with pytest.raises(ConfigError, match="holds no token"):
            read_token(place)
    with pytest.raises(ConfigError, match="cannot be made"):
        read_token(tmp_path / "nowhere" / "token")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_token_that_others_may_read_or_change_is_refused(mode: int, tmp_path: Path) -> None:
    """The message says what would work; one that was there before the monitor is refused, too."""
    place = tmp_path / "token"
    place.touch(0o600)
    place.write_text(TOKEN)
    place.chmod(mode)
    with pytest.raises(ConfigError, match=rf"\(mode {mode:04o}\); `chmod 600 {place}`"):
        read_token(place)
    place.chmod(0o600)
    assert read_token(place) == TOKEN


def test_unfinished_requests_keep_nobody_else_out(web: Web) -> None:
    """More connections than the server holds, each with a request that does not end: the page comes all the same."""
    held = []
    try:
        for _ in range(260):
            held.append(socket.create_connection(("127.0.0.1", web.port), timeout=WITHIN))
            held[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        assert web.get("/").status == 200
        files = psutil.Process(web.process.pid).num_fds()
        assert files < 230
    finally:
        for each in held:
            each.close()


@given(host=st.text(max_size=40), origin=st.text(max_size=40), said=st.text(max_size=40))
def test_what_is_not_exactly_right_is_refused(host: str, origin: str, said: str) -> None:
    """Whatever a request says, a change takes a known host, its origin and the token."""
    access = Access(frozenset({"localhost"}), TOKEN, open_reading=True)
    headers = {"host": host, "origin": origin, "authorization": said}
    assert access.refusal("POST", "/api/session", headers) is not None
    right = {"host": "localhost:1", "origin": "http://localhost:1", "authorization": f"Bearer {TOKEN}"}
    assert access.refusal("POST", "/api/session", right) is None
    for name, value in headers.items():
        if value != right[name]:
            assert access.refusal("POST", "/api/session", right | {name: value}) is not None


def test_a_taken_port_and_a_bad_address_are_said_in_a_line(root: Path) -> None:
    """Exit code 78: systemd does not try it again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for address, said in ((f"127.0.0.1:{port}", "cannot be bound"), ("nonsense", "monitor.address")):
            done = refused_start(root, address)
            assert done.returncode == 78
            assert said in done.stderr
            assert "Traceback" not in done.stderr
