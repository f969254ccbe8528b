"""The edge to telstate, MeerKAT's store of what is so and what was: read only. Of a file, too, which says the same."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import katsdptelstate
import numpy as np
import redis
from katsdptelstate.encoding import set_allow_pickle
from pydantic import ValidationError

from fip.data.errors import ConfigError, InputError, first_line
from fip.receiver.meerkat.descriptions import station, target
from fip.receiver.meerkat.observation import Observation
from fip.spool.setup import SETUP, Band, Correlation, Product, Setup, Target

_HANDS = {"h": "X", "v": "Y"}
_LONGEST = 1 << 26  # bytes of a file
NO_FIELD = -1  # of a target that has no place among the stars
FAULTS = (redis.RedisError, RuntimeError, OSError, ValueError, KeyError, TypeError)
"""What reading telstate may raise: of redis, of its own package, or of what somebody stored there."""


class Telstate:
    """What is said of one stream and one capture block of a subarray."""

    def __init__(self, store: Any, label: str, stream: str = "sdp_l0", block: str = "", cal: str = "cal") -> None:
        """`store` is a katsdptelstate.TelescopeState; `block` "" for the newest. InputError if it has none."""
        self.label, self.stream, self.cal = label, stream, cal
        self._store = store
        self.block = block or self._newest_block()
        self._view = _nested(store, self.block, stream)
        self._cal = _nested(store, self.block, cal)

    def _newest_block(self) -> str:
        found = self._asked(lambda: self._store.get("sdp_capture_block_id") or self._store.get("capture_block_id"))
        if not found:
            raise InputError(f"{self.label}: has no capture block yet (sdp_capture_block_id); begin one, or name it")
        return _text(found)

    def get(self, name: str) -> Any:
        """Return the value of a key, or None: of the capture block's stream, of it, of the stream, or of all."""
        return self._asked(lambda: self._view.get(name))

    def need(self, name: str) -> Any:
        """Return the same value. InputError if there is none."""
        if (found := self.get(name)) is None:
            raise InputError(f"{self.label}: says nothing of {name} of the stream {self.stream} ({self.block})")
        return found

    def of_cal(self, name: str) -> Any:
        """Return the value of a key of the stream of calibration, None if there is none."""
        return self._asked(lambda: self._cal.get(name))

    def solutions(self, name: str, since: float) -> list[tuple[Any, float]]:
        """Return what was solved for since a time (s UTC, Unix), that included: (value, when), in order."""
        return self._range(self._cal, name, since)

    def history(self, name: str) -> list[tuple[Any, float]]:
        """Return all values that a key has had: (value, when)."""
        return self._range(self._view, name, 0.0)

    def _range(self, view: Any, name: str, since: float) -> list[tuple[Any, float]]:
        def ask() -> list[tuple[Any, float]]:
            return list(view.get_range(name, st=since)) if name in view else []

        found: list[tuple[Any, float]] = self._asked(ask)
        return found

    def _asked(self, ask: Any) -> Any:
        try:
            return ask()
        except FAULTS as error:
            raise InputError(f"{self.label}: cannot be read: {first_line(error)}") from None


def is_live(setup: str) -> bool:
    """Return whether `[receiver] setup` names a telstate that may still come to say more."""
    return "://" in setup


def open_telstate(setup: str) -> Telstate:
    """Open what `[receiver] setup` names: "redis://HOST:PORT/DB?stream=sdp_l0&block=ID&cal=cal", or a file's path.

    ConfigError or InputError if it cannot be read.
    """
    set_allow_pickle(False)  # a pickle runs what it likes
    if not setup:
        raise ConfigError(
            "receiver.setup: is empty; meerkat-l0 needs the telstate of the subarray, redis://HOST:PORT, or a JSON file"
        )
    if not is_live(setup):
        return _of_file(Path(setup), katsdptelstate.TelescopeState())
    parts = urlsplit(setup)
    asked = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := sorted(set(asked) - {"stream", "block", "cal"}):
        raise ConfigError(f"receiver.setup: {setup}: {unknown[0]} is no key (stream, block, cal)")
    label = f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}"
    try:
        store = katsdptelstate.TelescopeState(parts._replace(query="").geturl())
    except FAULTS as error:
        raise InputError(f"receiver.setup: {label}: no telstate answers: {first_line(error)}") from None
    return Telstate(store, label, **asked)


def _of_file(path: Path, store: Any) -> Telstate:
    """Read a JSON file: {"stream": NAME, "block": ID, "keys": {KEY: VALUE}, "sensors": {KEY: [[TIME, VALUE], ...]}}."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(_LONGEST))
        for name, value in said.get("keys", {}).items():
            store[name] = value
        for name, values in said.get("sensors", {}).items():
            for when, value in values:
                store.add(name, value, ts=float(when))
        return Telstate(store, str(path), str(said.get("stream", "sdp_l0")), str(said["block"]))
    except OSError as error:
        raise InputError(f"receiver.setup: {path}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"receiver.setup: {path}: does not say what telstate does ({first_line(error)}); docs/meerkat.md has one"
        ) from None


def observation_of(telstate: Telstate) -> Observation:
    """Return the set-up of the stream, and its times. InputError in one line for what is missing or makes no sense."""
    try:
        return _observation(telstate)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{telstate.label}: {telstate.stream}: {first_line(error)}") from None


def _observation(telstate: Telstate) -> Observation:
    channels, per_heap = (int(telstate.need(name)) for name in ("n_chans", "n_chans_per_substream"))
    if not 0 < channels <= 1 << 20 or per_heap < 1 or channels % per_heap:
        raise ValueError(f"n_chans is {channels} and n_chans_per_substream {per_heap}; one should divide the other")
    bandwidth, centre = float(telstate.need("bandwidth")), float(telstate.need("center_freq"))
    step = bandwidth / channels
    pairs = [(_input(left), _input(right)) for left, right in _pairs(telstate.need("bls_ordering"))]
    names = sorted({name for pair in pairs for name, _ in pair})
    number = {name: each for each, name in enumerate(names)}
    products = tuple(
        Product(number[left], number[right], _correlation(one, other)) for (left, one), (right, other) in pairs
    )
    targets, turns = turns_of(telstate)
    said = telstate.get("obs_params")
    said = said if isinstance(said, Mapping) else {}
    setup = _checked(
        Setup(
            telstate.block,
            float(telstate.need("int_time")),
            tuple(station(_text(telstate.need(f"{name}_observer"))) for name in names),
            (Band(centre - (channels // 2) * step, step, channels),),
            products,
            targets,
            telescope="MeerKAT",
            observer=str(said.get("observer", ""))[:200],
            project=str(said.get("proposal_id", ""))[:200],
            flags=True,
            weights=True,
            raw=True,
        )
    )
    first = telstate.get("first_timestamp")
    return Observation(
        setup,
        float(telstate.need("sync_time")),
        per_heap,
        power_scale=bool(telstate.get("need_weights_power_scale") or False),
        first=None if first is None else float(first),
        turns=turns,
    )


def _checked(setup: Setup) -> Setup:
    """Return a set-up whose numbers are checked. ValueError in one line."""
    try:
        return SETUP.validate_json(SETUP.dump_json(setup))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def turns_of(
    telstate: Telstate, known: Sequence[Target] = ()
) -> tuple[tuple[Target, ...], tuple[tuple[float, int], ...]]:
    """Return the set targets, `known` ones first, and when each was set: (s UTC, its number, or -1 without a place).

    Those before the capture block are left out, except the one that was set when it began.
    """
    history = telstate.history("cbf_target")
    begin = telstate.get("first_timestamp")
    if begin is not None:
        start = float(telstate.need("sync_time")) + float(begin)
        before = [each for each in history if each[1] <= start]
        history = before[-1:] + [each for each in history if each[1] > start]
    targets, turns = list(known), []
    for text, when in history:
        found = target(_text(text)) if _text(text) else None
        if found is not None and found not in targets:
            targets.append(found)
        turns.append((float(when), NO_FIELD if found is None else targets.index(found)))
    if not targets:
        raise ValueError("no target with RA and Dec was set yet (cbf_target); begin once one is")
    return tuple(targets), tuple(turns)


def _nested(store: Any, block: str, stream: str) -> Any:
    """Return a view of keys in katdal's order: of the capture block's stream, the block, the stream, then all."""
    return store.view(stream).view(block).view(store.join(block, stream))


def _pairs(found: Any) -> list[tuple[Any, Any]]:
    pairs = np.asarray(found)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not 0 < len(pairs) <= 1 << 22:
        raise ValueError(f"bls_ordering has the shape {pairs.shape}, and should be pairs of inputs")
    return [(left, right) for left, right in pairs.tolist()]


def _input(found: Any) -> tuple[str, str]:
    """Return the antenna and the hand of an input, as ("m000", "X") of "m000h"."""
    name = _text(found)
    if len(name) < 2 or name[-1] not in _HANDS:
        raise ValueError(f"bls_ordering names the input {name[:40]!r}, and it should end in h or v")
    return name[:-1], _HANDS[name[-1]]


def _correlation(one: str, other: str) -> Correlation:
    table: dict[str, Correlation] = {"XX": "XX", "XY": "XY", "YX": "YX", "YY": "YY"}
    return table[one + other]


def _text(found: Any) -> str:
    return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
