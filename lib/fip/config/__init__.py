"""The configuration: one TOML file for the whole layout, validated as a whole, all faults named at once.

Precedence: command line, environment (`FIP__SECTION__KEY`), file, default. Unknown keys are faults.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError, ValidationInfo, field_validator

from fip.config.alerting import AlertTarget as AlertTarget
from fip.config.tables import ALL_WORKERS as ALL_WORKERS
from fip.config.tables import DETECTOR as DETECTOR
from fip.config.tables import FOR_ALL, Source, Table
from fip.config.tables import OWN_FORMAT as OWN_FORMAT
from fip.config.tables import Catalogue as Catalogue
from fip.config.tables import Detector as Detector
from fip.config.tables import Follower as Follower
from fip.config.tables import Following as Following
from fip.config.tables import Monitor as Monitor
from fip.config.tables import Node as Node
from fip.config.tables import Receiver as Receiver
from fip.config.tables import Security as Security
from fip.config.tables import Sink as Sink
from fip.config.tables import Ventilator as Ventilator
from fip.config.tables import Worker as Worker
from fip.data.errors import ConfigError, UsageError
from fip.data.names import Label
from fip.data.options import Option, hints, options
from fip.data.quantities import AS_WRITTEN
from fip.data.settings import Asked, Imaging, ImagingTable, Selection, as_text

COMMAND_LINE = "command line"  # who set what is typed
SINGLE = ("ventilator", "sink", "monitor", DETECTOR, "receiver")  # what a host runs once
NAMED = ("worker", "follower")  # what it runs by names


class Config(Table):
    """The whole file."""

    imaging: ImagingTable = Imaging()
    source: Source = Source()
    ventilator: Ventilator = Ventilator()
    sink: Sink = Sink()
    receiver: Receiver = Receiver()
    monitor: Monitor = Monitor()
    security: Security = Security()
    worker: dict[str, Worker] = Field(default_factory=dict)
    detector: Detector = Detector()
    catalogue: dict[Label, Catalogue] = Field(default_factory=dict)
    follower: dict[Label, Follower] = Field(default_factory=dict)
    alerts: dict[Label, AlertTarget] = Field(default_factory=dict, validate_default=True)
    node: dict[str, Node] = Field(default_factory=dict)

    @property
    def asked(self) -> Asked:
        """What it asks of a run."""
        names = [each.name for each in fields(Selection)]
        return Asked(self.imaging, Selection(**{name: getattr(self.source, name) for name in names}))

    @property
    def followers(self) -> Mapping[str, Following]:
        """All that see stored images in order, by their names; the detector is one of them."""
        return {**self.follower, DETECTOR: self.detector}

    def worker_named(self, name: str, host: str) -> Worker:
        """The settings of worker NAME on HOST: `[worker."HOST/NAME"]`, else `[worker.NAME]`, else the defaults.

        It has the stages and kernels of `[worker]` beside its own.
        """
        every = self.worker.get(ALL_WORKERS) or Worker()
        own = self.worker.get(f"{host}/{name}") or self.worker.get(name) or Worker()
        return own.model_copy(
            update={
                "stages": every.stages | own.stages,
                "kernels": every.kernels | own.kernels,
                "entry_points": every.entry_points and own.entry_points,
            }
        )

    def runs_on(self, host: str) -> tuple[str, ...]:
        """What HOST runs, as `[node.HOST]` says; a layout of localhost alone is that of any one host.

        ConfigError where the layout does not have the host.
        """
        node = self.node["localhost"] if set(self.node) == {"localhost"} else self.node.get(host)
        if node is None:
            there_are = ", ".join(self.node) or "no hosts"
            raise ConfigError(f"there is no [node.{host}] in the layout, which has {there_are}: say --name HOST")
        return node.runs

    def device_of(self, name: str, host: str) -> str:
        """What worker NAME on HOST images on, "cpu" or "cuda:N"."""
        gpu = re.fullmatch(r"gpu([0-9]{1,3})(-[0-9]{1,3})?", name)  # gpu0-1: a second on cuda:0
        return self.worker_named(name, host).device or (f"cuda:{int(gpu[1])}" if gpu else "cpu")

    @field_validator("worker", mode="before")
    @classmethod
    def _for_all_workers(cls, tables: Any) -> Any:
        """What stands in `[worker]` itself becomes the table of all workers."""
        if not isinstance(tables, dict):
            return tables
        every = {key: tables[key] for key in FOR_ALL if key in tables}
        others = {name: table for name, table in tables.items() if name not in FOR_ALL}
        return others | ({ALL_WORKERS: every} if every else {})

    @field_validator("follower")
    @classmethod
    def _none_is_called_as_the_detector(cls, tables: dict[str, Follower]) -> dict[str, Follower]:
        if DETECTOR in tables:
            raise ValueError(f"[follower.{DETECTOR}] has the name of FIP's own follower, [{DETECTOR}]: give it another")
        return tables

    @field_validator("alerts")
    @classmethod
    def _catalogues_name_targets(cls, targets: dict[str, AlertTarget], info: ValidationInfo) -> dict[str, AlertTarget]:
        for name, catalogue in info.data.get("catalogue", {}).items():
            if isinstance(catalogue.tell, str) and catalogue.tell not in targets:
                there_are = f"there are {', '.join(targets)}" if targets else "there is none"
                raise ValueError(
                    f"[catalogue.{name}] tells its sources to {catalogue.tell}, which is no target ({there_are}): give "
                    f"true, false or the name of a target, or a table [alerts.{catalogue.tell}]"
                )
        return targets

    @field_validator("node")
    @classmethod
    def _nodes_run_what_exists(cls, nodes: dict[str, Node], info: ValidationInfo) -> dict[str, Node]:
        for host, node in nodes.items():
            for what in node.runs:
                role, dot, name = what.partition(".")
                if role not in (NAMED if dot else SINGLE):
                    raise ValueError(
                        f"node.{host}.runs: '{what}' is not {', '.join(SINGLE)}, worker.NAME or follower.NAME"
                    )
                if role == "follower" and name not in info.data.get("follower", {name: None}):
                    raise ValueError(f"node.{host}.runs: '{what}': there is no [follower.{name}], which says its step")
        return nodes


@dataclass(frozen=True)
class Loaded:
    """A configuration and, for each key that was set, who set it."""

    config: Config
    origins: Mapping[str, str]  # "imaging.scale" -> "command line"

    def origin(self, key: str) -> str:
        """Who set `key` (dotted): "command line", "environment", the file's name, or "default"."""
        return self.origins.get(key, "default")

    def settings(self) -> Iterator[tuple[str, Any, str]]:
        """Each setting that is not of a node: its dotted key, its value as it would be written, and its origin."""
        every = f"worker.{ALL_WORKERS}."
        for key, value in flatten(self.config.model_dump(mode="json", exclude={"node"})):
            if key.startswith(every):
                if (name := key.removeprefix(every)) not in FOR_ALL:
                    continue
                key = f"worker.{name}"
            if value != {}:  # a table that nobody filled
                yield key, value, self.origin(key)


@dataclass(frozen=True)
class Settings:
    """What to image, and how, as a person gave it; the configuration's parsers read it."""

    typed: Mapping[str, str | bool]  # the configuration's key, as imaging.scale -> what was given
    by: str = COMMAND_LINE  # who gave it

    def load(self, config: Path | None, others: Mapping[str, Any] | None = None) -> Loaded:
        """The configuration. What was given wins: here, or in `others` by its keys.

        Raises ConfigError and UsageError.
        """
        loaded = load(config, {**self.typed, **(others or {})}, self.by)
        robust, weight = self.typed.get("imaging.robust"), loaded.config.imaging.weight
        said = str(self.typed.get("imaging.weight", "")).partition(":")[2]
        if robust is not None and weight != "briggs":
            raise UsageError(f"--robust {robust}: is for briggs weighting, and this is {weight}; give --weight briggs")
        if robust is not None and said:
            raise UsageError(f"--robust {robust}: --weight briggs:{said} says another one; give one of them")
        return loaded


def settings_of(given: Mapping[str, Any], by: str) -> Settings:
    """The settings of a run that are given by name, as text or as values: size=1024, scale="1.2arcsec".

    Names are those of the configuration or, with _ for -, of the command line. None is as good as not given.
    UsageError for an option that there is not, or that is given twice.
    """
    known = all_options()
    keys = {key.rpartition(".")[2]: key for key in known}
    spelled = {name[2:].replace("-", "_"): key for key, option in known.items() for name in option.names} | keys
    tables = {table: type(getattr(Config(), table)) for table in {key.partition(".")[0] for key in known}}
    typed: dict[str, str | bool] = {}
    for name, value in given.items():
        if name not in spelled:
            close = difflib.get_close_matches(name, spelled, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(keys)}"
            raise UsageError(f"{by}: there is no option {name}; {hint}")
        key = spelled[name]
        if key in typed:
            raise UsageError(f"{by}: {name} is another name of an option that is given, too: leave one of them out")
        if value is not None:
            table, _, field = key.partition(".")
            typed[key] = as_text(tables[table], field, value)
    return Settings(typed, by)


def load(
    path: Path | None = None, overrides: Mapping[str, Any] | None = None, overridden_by: str = COMMAND_LINE
) -> Loaded:
    """The configuration of file, environment and command line (`overrides`, dotted keys; None means not given).

    Raises ConfigError naming every fault with its origin, key, value and what would do; the origin of an override is
    `overridden_by`.
    """
    layers = [(str(path), dict(flatten(_read_file(path))))] if path else []
    layers.append(("environment", _environment(os.environ)))
    layers.append((overridden_by, {key: value for key, value in (overrides or {}).items() if value is not None}))
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, layer in layers:
        values |= layer
        origins |= dict.fromkeys(layer, name)
    try:
        return Loaded(Config.model_validate(_nest(values), context=AS_WRITTEN), origins)
    except ValidationError as error:
        raise ConfigError("\n".join(_fault(item, origins) for item in error.errors())) from None


def all_options() -> dict[str, Option]:
    """The options of a run that a person may give on the command line, by the configuration's key, "imaging.scale"."""
    return _options_of("imaging", "source", "ventilator")


def detector_options() -> dict[str, Option]:
    """The options of a search that a person may give on the command line, by the configuration's key."""
    return _options_of(DETECTOR)


def _options_of(*tables: str) -> dict[str, Option]:
    config = Config()
    found = {table: options(type(getattr(config, table))) for table in tables}
    return {f"{table}.{name}": option for table, of in found.items() for name, option in of.items()}


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"configuration {path} is not TOML: {error}") from None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    prefixed = {key[5:].lower().replace("__", "."): value for key, value in environ.items() if key.startswith("FIP__")}
    return dict(sorted(prefixed.items()))


def flatten(table: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The values of a table and of those within it, by dotted keys; a table that is empty is a value.

    So is one whose keys are names of a user's code.
    """
    for key, value in table.items():
        if isinstance(value, dict) and value and not (prefix[:1] == ("worker",) and key in FOR_ALL):
            yield from flatten(value, (*prefix, key))
        else:
            yield ".".join((*prefix, key)), value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flatten`; tables named by the user (hosts, workers) may hold dots themselves."""
    nested: dict[str, Any] = {}
    for dotted, value in values.items():
        section, _, rest = dotted.partition(".")
        name, _, key = rest.rpartition(".")
        table = nested
        for part in filter(None, (section, name) if rest else ()):
            table = table.setdefault(part, {})
        table[key if rest else section] = value
    return nested


def _fault(error: Any, origins: Mapping[str, str]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        message = "unknown key" + _suggestion(key)
    value = error["input"]
    found = "" if isinstance(value, (dict, BaseModel)) or "'" in message else f" (found {value!r})"
    origin = origins.get(key)
    return f"{origin + ': ' if origin else ''}{key + ': ' if key else ''}{message}{found}"


def _suggestion(key: str) -> str:
    section, _, name = key.rpartition(".")
    known = list(Config.model_fields) if not section else []
    if section in Config.model_fields and section not in ("worker", "follower", "catalogue", "alerts", "node"):
        known = list(hints(type(getattr(Config(), section))))
    close = difflib.get_close_matches(name or key, known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there are {', '.join(known)}" if known else ""
