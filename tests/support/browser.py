"""A real Chromium, without a window and with a new profile, that fails a test for what it says on its console."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import ConsoleMessage, Page, ViewportSize, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
]
WITHIN = 60_000  # ms, for anything that a test waits for
expect.set_options(timeout=WITHIN)
NAMED = ("button", "link", "textbox", "combobox", "checkbox", "spinbutton", "image", "progressbar", "listbox", "region")
"""Roles of what a person works with or must be told of: each has a name."""


@contextmanager
def browser(
    folder: Path, width: int = 1440, height: int = 900, scheme: Literal["light", "dark"] = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """A page, and the errors that it met so far, but those of connections that a test cuts."""
    if not CHROMIUM.exists():
        pytest.skip("Chromium is absent")
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "net::ERR_" not in message.text:
            errors.append(message.text)

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile", executable_path=CHROMIUM, args=ARGUMENTS, headless=True,
            viewport=ViewportSize(width=width, height=height), color_scheme=scheme,
        )  # fmt: skip
        page = context.pages[0]
        page.set_default_timeout(WITHIN)
        page.on("console", heard)
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            yield page, errors
        finally:
            context.close()


def keep(page: Page, name: str, folder: Path, whole: bool = False) -> None:
    """A picture of the page, in the folder that FIP_ARTEFACTS names, else in the test's own."""
    place = Path(os.environ.get("FIP_ARTEFACTS", folder))
    place.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=place / f"{name}.png", full_page=whole)


def unnamed(page: Page) -> list[str]:
    """What a person works with and a screen reader has no name for."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    nodes = [node for node in tree["nodes"] if not node.get("ignored")]
    asked = [node for node in nodes if node["role"]["value"] in NAMED]
    assert len(asked) > 15
    return [str(node) for node in asked if not node.get("name", {}).get("value", "").strip()]


def place_on_screen(page: Page, x: int, y: int, side: int) -> tuple[float, float]:
    """Return the middle of a pixel on screen, for an image of `side` pixels that is in view as a whole."""
    page.locator("#image").evaluate("image => image.scrollIntoView({block: 'center'})")
    box = page.locator("#image").bounding_box()
    assert box
    zoom = min(box["width"], box["height"]) / side
    return (box["x"] + box["width"] / 2 + (x + 0.5 - side / 2) * zoom,
            box["y"] + box["height"] / 2 - (y + 0.5 - side / 2) * zoom)  # fmt: skip
