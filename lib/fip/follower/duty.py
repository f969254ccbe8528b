"""What a follower is there for: its step, its habits, and the folders of the images and of what is found."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fip.config import Config, Follower
from fip.data.errors import ConfigError, UsageError
from fip.follower.course import Habits
from fip.follower.courses import FOLDER, Publisher
from fip.follower.step import Step, load_step
from fip.wire.messages import Vet

STATE_DIRECTORY = "STATE_DIRECTORY"
"""The variable in which systemd gives a daemon the folder that it may write (systemd.exec(5))."""


Entering = Callable[[Path, Vet], None]
"""Enters what a person says of what was found in a folder; it is on disk when it returns. FipError if it cannot be."""


@dataclass(frozen=True)
class Duty:
    """All that makes one follower different from the next, whatever host it runs on."""

    name: str  # among followers
    table: str  # of the configuration, which says the rest: "follower.mean"
    step: Step
    habits: Habits
    step_within: float  # s that the step may be at one image
    beside: str  # the folder of what is found, if it is beside images
    base: Path | None = None  # the folder of what is found, by job; None: beside the images
    publisher: Publisher | None = None  # of what people read of what was found
    entering: Entering | None = None  # of what people say of that


def duty_of(name: str, told: Follower) -> Duty:
    """Return the duty of [follower.NAME]. Raises UsageError if its step cannot be imported."""
    step, habits = load_step(told.step), Habits(told.checkpoint, told.window, told.patience)
    return Duty(name, f"follower.{name}", step, habits, told.step_within, f"{FOLDER}/{name}", told.folder)


def configured(name: str, config: Config) -> Duty:
    """Return the duty of a configured follower, as a daemon. Raises ConfigError if there is none, or it cannot be."""
    if name not in config.follower:
        known = ", ".join(config.follower) or "none"
        raise ConfigError(f"follower.{name}: there is no such table, which says its step; there are: {known}")
    told = config.follower[name]
    if told.folder is None and STATE_DIRECTORY in os.environ:
        told = told.model_copy(update={"folder": Path(os.environ[STATE_DIRECTORY])})
    try:
        return duty_of(name, told)
    except UsageError as error:
        raise ConfigError(f"follower.{name}.step: {error}") from None
