"""The place in an image of what a person names: an event, what is known there, a source, a body, coordinates."""

import math
from functools import cached_property
from typing import Any

from astropy.io import fits
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fip.archive.gallery import AbsentError, Gallery
from fip.archive.lightcurve import parse_position, place_of
from fip.catalogues.bodies import where
from fip.catalogues.known import Known, Listed
from fip.config import Config
from fip.data.directions import BODIES, Direction, shown
from fip.data.errors import UsageError
from fip.events.shown import searched
from fip.fits.header import site_of

LONGEST = 200  # characters of what is asked for


def place_route(gallery: Gallery, config: Config) -> Route:
    """Return the route of /api/runs/RUN/place?name=TEXT&like=SLICE."""
    places = Places(gallery, config)

    async def handler(request: Request) -> Response:
        asked = request.query_params.get("name", "").strip()
        like = request.query_params.get("like", "")
        if not asked or len(asked) > LONGEST or not (like.isascii() and like.isdecimal() and len(like) <= 10):
            raise UsageError(f"name: a name or coordinates, {LONGEST} characters at most; like: a slice")
        return JSONResponse(await run_in_threadpool(places.find, request.path_params["run"], asked, int(like)))

    return Route("/api/runs/{run}/place", handler)


class Places:
    """Looks up names. Catalogues are read when the first name is looked for in them, and again when they change."""

    def __init__(self, gallery: Gallery, config: Config) -> None:
        self._gallery, self._config = gallery, config

    @cached_property
    def _known(self) -> Known:
        """Return the configured catalogues. Raises UsageError."""
        return Known(catalogues={name: Listed(each.file, each.tell) for name, each in self._config.catalogue.items()})

    def find(self, run: str, asked: str, like: int) -> dict[str, Any]:
        """Pixel `x`, `y` in the image of slice `like`, and what is there in words, `said`.

        UsageError if there is no such thing, or it is outside of the image.
        """
        entry, image = self._gallery.entry(run, like), self._gallery.image(run, like)
        time = (entry.begin + entry.end) / 2
        of_event = self._of_event(run, asked)
        if of_event:
            x, y, said = of_event
            return {"x": x, "y": y, "said": said}
        direction, said = self._direction(asked, time, image.path)
        x, y = place_of(image.layout.grid, direction)
        return {"x": x, "y": y, "said": said}

    def _of_event(self, run: str, asked: str) -> tuple[float, float, str] | None:
        """Return the newest event of that name, or at an object of that name."""
        found = searched(self._gallery.directory(run))
        for each in found.of(run).events if found else ():
            names = [each["id"], *(match["name"] for match in each["matches"])]
            if asked.casefold() in (name.casefold() for name in names) and None not in (each["x"], each["y"]):
                return float(each["x"]), float(each["y"]), f"event {each['id']}"
        return None

    def _direction(self, asked: str, time: float, path: Any) -> tuple[Direction, str]:
        if (place := self._known.place_of(asked, time)) is not None:
            return _icrs(*place, asked)
        if asked.casefold() in BODIES:
            with path.open("rb") as file:
                site = site_of(fits.Header.fromfile(file))
            x, y, z = where(asked.casefold(), time, site)[0].tolist()
            return _icrs(math.atan2(y, x) % (2 * math.pi), math.asin(z), asked)
        try:
            direction = parse_position(asked)
        except ValueError as error:
            lists = ", ".join(self._config.catalogue) or "none is configured"
            raise AbsentError(
                f"{asked!r} is no event's name, no body's, and none in a catalogue ({lists}); and {error}"
            ) from None
        if not isinstance(direction, Direction):
            raise UsageError(f"{asked!r} is no direction, as '05h31m58.7s +33d08m52s' or '82.99deg 33.15deg'")
        return direction, shown(direction)


def _icrs(longitude: float, latitude: float, name: str) -> tuple[Direction, str]:
    direction = Direction(longitude, latitude, "ICRS")
    return direction, f"{name} at {shown(direction)}"
