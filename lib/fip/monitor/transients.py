"""What the monitor answers of transients: the events of a run, and their files. docs/monitoring.md lists it all."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from fip.alerts.shown import told_by
from fip.alerts.shown import view_of as shown_view
from fip.archive.gallery import AbsentError, Gallery
from fip.client.operator import Operator
from fip.config import Config
from fip.data.errors import UsageError
from fip.data.vetting import parse_said
from fip.events.shown import files_of, how_to_search, searched
from fip.events.vetted import with_verdicts
from fip.events.words import LABELS
from fip.state.alerts import alerts_facts
from fip.state.transients import facts, line
from fip.wire.messages import Vet

MOST_EVENTS = 200  # in one answer
LONGEST_USER = 64  # characters of the name of somebody at the page
TYPES = {
    ".png": "image/png",
    ".fits": "application/fits",
    ".ecsv": "text/plain; charset=utf-8",
    ".json": "application/json",
}
KEPT = "private, no-cache"  # it may change: each time it is asked whether it has


def transients_routes(gallery: Gallery, pipeline: Callable[[], Config | None]) -> list[Route]:
    """Return the routes; `pipeline` gives the configuration by which to find what works now."""
    place = "/api/runs/{run}/transients"
    return [
        Route(place, _events(gallery)),
        Route(f"{place}/{{event}}/label", _label(gallery, pipeline), methods=["POST"]),
        Route(f"{place}/{{event}}/{{name}}", _file(gallery)),
    ]


def _events(gallery: Gallery) -> Callable[[Request], Any]:
    async def handler(request: Request) -> Response:
        found = await run_in_threadpool(_found, gallery, request.path_params["run"])
        body = json.dumps(found, allow_nan=False).encode()
        headers = {"ETag": f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"', "Cache-Control": KEPT}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    return handler


def _file(gallery: Gallery) -> Callable[[Request], Any]:
    async def handler(request: Request) -> Response:
        path = await run_in_threadpool(_path, gallery, **request.path_params)
        return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": KEPT})

    return handler


def _label(gallery: Gallery, pipeline: Callable[[], Config | None]) -> Callable[[Request], Any]:
    async def handler(request: Request) -> Response:
        label, user = (request.query_params.get(name, "") for name in ("label", "user"))
        return JSONResponse(await run_in_threadpool(_vet, gallery, pipeline(), label, user, **request.path_params))

    return handler


def _vet(gallery: Gallery, config: Config | None, label: str, user: str, run: str, event: str) -> dict[str, str]:
    """Have the detector enter what somebody says of an event; nothing is written here. FipError if it does not."""
    directory = gallery.directory(run)
    try:
        said = parse_said(label)
    except ValueError as error:
        raise UsageError(f"label: {error}") from None
    _check_event(directory, run, event)
    if config is None:
        raise UsageError(f"nothing works here that would enter it: `fip event {directory} {event} --label {said}` does")
    vet = Vet(uuid4().hex, gallery.job(run), event, said, user[:LONGEST_USER] or "page")
    with Operator(config) as operator:
        operator.vet(vet)
    return {"event": event, "label": said}


def _check_event(directory: Path, run: str, event: str) -> None:
    """Raise AbsentError for what is no event of a run."""
    found = searched(directory)
    if found is None or all(each["id"] != event for each in found.of(run).events):
        raise AbsentError("no event of this run has such a name")


def _found(gallery: Gallery, run: str) -> dict[str, Any]:
    """The events of a run, the first of them with their files, and how it was searched, in words."""
    directory = gallery.directory(run)
    found = searched(directory)
    if found is None:
        nothing: dict[str, Any] = {"facts": [], "alerts": None, "events": [], "more": 0, "words": {}}
        return {"searched": False, "line": how_to_search(directory)} | nothing
    mine = found.of(run)
    shown, told = with_verdicts(directory, mine.events[:MOST_EVENTS]), told_by(directory)
    return {
        "searched": True,
        "line": line(mine.view),
        "facts": [[fact.name, fact.items] for fact in facts(mine.view)],
        "alerts": _alerts(directory),
        "events": [each | {"files": _files(directory, each["id"]), "told": told.get(each["id"], ())} for each in shown],
        "more": len(mine.events) - len(shown),
        "words": LABELS,
    }


def _alerts(directory: Path) -> dict[str, str] | None:
    """Return what was reported about the events of a directory, and what is wrong with that; None if nobody hears."""
    view = shown_view(directory)
    said = next(alerts_facts(view.alerts), None) if view and view.alerts else None
    return {"line": ", ".join(said.items), "level": said.level} if said else None


def _files(directory: Path, identity: str) -> dict[str, str]:
    """When each of an event's files was written: another one in its place has another time."""
    try:
        return {name: str(path.stat().st_mtime_ns) for name, path in files_of(directory, identity).items()}
    except FileNotFoundError:  # the directory is searched anew at this moment
        return {}


def _path(gallery: Gallery, run: str, event: str, name: str) -> Path:
    """Return a file of an event that is in the table: no other name, and no other place, is allowed."""
    directory = gallery.directory(run)
    _check_event(directory, run, event)
    files = files_of(directory, event)
    if name not in files:
        raise AbsentError("this event has no such file")
    return files[name]
