"""What the monitor answers: the page, its data as JSON, images as raw numbers. docs/monitoring.md lists it all."""

import asyncio
import json
import platform
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from fip.archive.compared import KINDS, Kind
from fip.archive.entries import Entry
from fip.archive.gallery import AbsentError, Gallery
from fip.archive.lightcurve import Point
from fip.archive.views import Window
from fip.client.operator import Operator
from fip.config import Config, Loaded
from fip.data.errors import FipError, UsageError
from fip.data.names import is_label
from fip.fits.stored_image import header_of
from fip.monitor.feed import Broadcast, Feed
from fip.monitor.guard import Access, Guard, cookie_name
from fip.monitor.metrics import CONTENT_TYPE, exposition
from fip.monitor.places import place_route
from fip.monitor.transients import transients_routes

VERSIONS = ("fip", "numpy", "astropy", "ducc0", "numba", "pyzmq", "starlette", "uvicorn")
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
MOST_IMAGES = 2000  # in one answer
MOST_PIXELS = 8192  # a side, in one answer
MOST_SHOWN = 1024  # pixels a side of a view


class _SliceConvertor(Convertor[int]):
    """The number of a slice in a path; what has more digits is of no slice, and Python takes no number of thousands."""

    regex = "[0-9]{1,10}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("slice", _SliceConvertor())


def make_app(
    loaded: Loaded, feed: Feed, access: Access, pipeline: Callable[[], Config | None]
) -> tuple[ASGIApp, Broadcast]:
    """The application, and what ends its streams."""
    broadcast = Broadcast(feed)
    pages = _Pages(loaded, feed, broadcast, access, pipeline)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(broadcast.run())
        yield
        broadcast.closing = True
        await task

    app = Starlette(
        routes=pages.routes(),
        lifespan=lifespan,
        exception_handlers={FipError: _fip_error, HTTPException: _http_error},
    )
    return Guard(app, access), broadcast


class _Pages:
    """The handlers. What reads files does so in a thread of the pool."""

    def __init__(
        self,
        loaded: Loaded,
        feed: Feed,
        broadcast: Broadcast,
        access: Access,
        pipeline: Callable[[], Config | None],
    ) -> None:
        self._loaded, self._feed, self._broadcast, self._access = loaded, feed, broadcast, access
        self._pipeline = pipeline
        self._gallery = Gallery(loaded.config.monitor.directory or loaded.config.sink.directory)
        self._assets = dict(_assets())

    def routes(self) -> list[Route]:
        """Return the routes to all resources."""
        image, gallery = "/api/runs/{run}/images/{index:slice}", self._gallery
        return [
            Route("/", self.asset),
            Route("/assets/{name}", self.asset),
            Route("/metrics", self.metrics),
            Route("/api/session", self.session, methods=["POST"]),
            Route("/api/state", self.state),
            Route("/api/events", self.events),
            Route("/api/config", self.configuration),
            Route("/api/colours", self.colours),
            Route("/api/jobs/{job}/cancel", _read(self.cancel), methods=["POST"]),
            Route("/api/runs", _read(lambda request: [asdict(row) for row in gallery.runs()])),
            Route("/api/runs/{run}/images", self.images),
            Route("/api/runs/{run}/lightcurve", self.light_curve),
            *transients_routes(gallery, self._pipeline),
            place_route(gallery, self._loaded.config),
            Route("/api/runs/{run}/settings", _read(lambda request: gallery.settings(request.path_params["run"]))),
            Route("/api/runs/{run}/log", _read(lambda request: {"log": gallery.log_tail(request.path_params["run"])})),
            Route(image, _read(lambda request: self._describe(*_slice(request)))),
            Route(f"{image}/pixels", self.pixels),
            Route(f"{image}/view", self.view),
            Route(f"{image}/fits", self.fits),
        ]

    async def asset(self, request: Request) -> Response:
        """The page itself, without any data, and its scripts and styles, from memory."""
        name = request.path_params.get("name", "index.html")
        if name not in self._assets:
            raise HTTPException(404)
        return _static(self._assets[name])

    async def metrics(self, request: Request) -> Response:
        """Answer with the state for Prometheus."""
        return Response(exposition(self._feed.state()), media_type=CONTENT_TYPE)

    async def session(self, request: Request) -> Response:
        """A cookie with which to read, for one who has the token."""
        answer = JSONResponse({"signed_in": True})
        name = cookie_name(request.headers["host"])
        answer.set_cookie(name, self._access.cookie_value, httponly=True, samesite="strict", path="/")
        return answer

    async def state(self, request: Request) -> Response:
        """The state of the pipeline."""
        return Response(self._feed.state_json(), media_type="application/json")

    async def events(self, request: Request) -> Response:
        """The same twice a second, as server-sent events."""
        return StreamingResponse(self._broadcast.stream(), media_type="text/event-stream")

    async def configuration(self, request: Request) -> Response:
        """Settings with their origins, and versions."""
        settings = [[key, value, origin] for key, value, origin in self._loaded.settings()]
        versions = {"python": platform.python_version()} | {name: version(name) for name in VERSIONS}
        return JSONResponse({"settings": settings, "versions": versions})

    async def colours(self, request: Request) -> Response:
        """Colour maps, each 256 times RRGGBB: those of matplotlib, which daemons do not import."""
        return _static(self._assets["colours.json"])

    def cancel(self, request: Request) -> Any:
        """End a job, and answer with what became of it."""
        job = request.path_params["job"]
        if not is_label(job):
            raise AbsentError("no job has such a name")
        config = self._pipeline()
        if config is None:
            raise AbsentError("nothing works here: there is no job to cancel")
        with Operator(config) as operator:
            return asdict(operator.cancel(job))

    async def images(self, request: Request) -> Response:
        """Images of a run found after the first `after`, the newest `most` of them."""
        run, after = request.path_params["run"], _number(request, "after", 0)
        most = min(_number(request, "most", MOST_IMAGES), MOST_IMAGES)
        seen, entries = await run_in_threadpool(self._gallery.images, run, after, most, self._feed.stored())
        return JSONResponse({"seen": seen, "images": [_shown(entry) for entry in entries]})

    async def pixels(self, request: Request) -> Response:
        """The pixels of a plane, float32, little-endian, row by row from the south."""
        plane, most = _number(request, "plane", 0), max(1, min(_number(request, "most", MOST_PIXELS), MOST_PIXELS))
        pixels, block = await run_in_threadpool(self._gallery.pixels, *_slice(request), plane, most)
        height, width = pixels.shape
        headers = {"X-FIP-Width": str(width), "X-FIP-Height": str(height), "X-FIP-Block": str(block)}
        return Response(pixels.tobytes(), media_type="application/octet-stream", headers=headers)

    async def view(self, request: Request) -> Response:
        """Answer with the part of a plane that a page shows, as finely as it shows it; see `fip.archive.views`.

        What has the time at which an image was stored (`of`) in its address is the same for ever.
        """
        (run, index), plane = _slice(request), _number(request, "plane", 0)
        window, most = _window(request), max(1, min(_number(request, "most", MOST_SHOWN), MOST_SHOWN))
        kind = _kind(request)
        entry = await run_in_threadpool(self._gallery.entry, run, index)
        lasts = request.query_params.get("of") == _stored_at(entry) and kind != "difference"
        tag = f'"{_stored_at(entry)}-{run}-{index}-{plane}-{kind}-{window}-{most}"'
        kept = {"ETag": tag, "Cache-Control": f"private, {'max-age=31536000, immutable' if lasts else 'no-cache'}"}
        if request.headers.get("if-none-match") == tag and kind != "difference":
            return Response(status_code=304, headers=kept)
        area = Window(*window) if window else None
        said = self._feed.stored()
        view = await run_in_threadpool(self._gallery.view, run, index, plane, area, most, kind, said)
        told = asdict(view.window) | {
            "columns": view.width,
            "rows": view.height,
            "block": view.block,
            "step": view.step,
        }
        return Response(
            view.content,
            media_type="application/octet-stream",
            headers=kept | {"Content-Encoding": "gzip", "X-FIP-View": json.dumps(told)},
        )

    async def fits(self, request: Request) -> Response:
        """Answer with the FITS file of an image."""
        path = await run_in_threadpool(self._gallery.path, *_slice(request))
        if not path.is_file():
            raise AbsentError(f"{path.name} is no longer there")
        return FileResponse(path, media_type="application/fits", filename=path.name)

    async def light_curve(self, request: Request) -> Response:
        """A pixel in all images of the field of slice `like`."""
        x, y, like = (_number(request, name) for name in ("x", "y", "like"))
        run, plane = request.path_params["run"], _number(request, "plane", 0)
        found = await run_in_threadpool(self._gallery.light_curve, run, like, x, y, plane, self._feed.stored())
        return JSONResponse({"x": x, "y": y, "every": found[1], "points": [_point(point) for point in found[0]]})

    def _describe(self, run: str, index: int) -> dict[str, Any]:
        entry, image = self._gallery.entry(run, index), self._gallery.image(run, index)
        header = header_of(image.path)
        cards = [[card.keyword, str(card.value), card.comment] for card in header.cards if card.keyword]
        return {
            **_shown(entry),
            "grid": asdict(image.layout.grid),
            "stokes": image.layout.stokes,
            "beam": asdict(entry.beam) if entry.beam else None,
            "header": cards,
        }


def _read(answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
    """A handler that answers what takes its time, as JSON."""

    async def handler(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(answer, request))

    return handler


def _assets() -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Name, content and type of each file of the page."""
    for file in resources.files("fip.monitor").joinpath("assets").iterdir():
        yield file.name, (file.read_bytes(), TYPES[Path(file.name).suffix])


def _static(asset: tuple[bytes, str]) -> Response:
    return Response(asset[0], media_type=asset[1], headers={"Cache-Control": "no-cache"})


def _number(request: Request, name: str, default: int | None = None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 12:
        raise UsageError(f"{name}: a number from 0 is wanted")
    return int(text)


def _kind(request: Request) -> Kind:
    """What of an image is asked for."""
    asked = request.query_params.get("kind", "image")
    for kind in KINDS:
        if asked == kind:
            return kind
    raise UsageError(f"kind: one of {', '.join(KINDS)} is wanted")


def _window(request: Request) -> tuple[int, int, int, int] | None:
    """The part of an image that is asked for: left, bottom, width and height; None for all of it."""
    if not {"x", "y", "width", "height"} & request.query_params.keys():
        return None
    left, bottom, width, height = (_number(request, name) for name in ("x", "y", "width", "height"))
    return left, bottom, width, height


def _stored_at(entry: Entry) -> str:
    """When an image was stored, to the microsecond: another one in its place has another."""
    return f"{entry.recorded:.6f}"


def _slice(request: Request) -> tuple[str, int]:
    return request.path_params["run"], request.path_params["index"]


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "slice": entry.index, "integration": entry.integration, "label": entry.label, "file": entry.file,
        "begin": entry.begin, "average": entry.average, "end": entry.end,
        "empty": entry.empty, "quality": entry.quality, "complete": entry.complete,
        "worker": entry.worker, "seconds": entry.seconds,
        "rms": entry.rms, "minimum": entry.minimum, "maximum": entry.maximum, "recorded": entry.recorded,
        "of": _stored_at(entry),
    }  # fmt: skip


def _point(point: Point) -> dict[str, Any]:
    flux, error = float(point.flux[0]), float(point.error[0])
    return {
        "slice": point.entry.index,
        "average": point.entry.average,
        "flux": None if np.isnan(flux) else flux,
        "error": None if np.isnan(error) else error,
        "quality": point.entry.quality,
    }


async def _fip_error(request: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, AbsentError) else 400 if isinstance(error, UsageError) else 503
    return JSONResponse({"error": str(error)}, status)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
