"""The console that all commands print on: text is text, whoever wrote it."""

from typing import IO, Any

from rich.console import Console
from rich.text import Text

from fip.state.words import printable_lines


class PlainConsole(Console):
    """A console to which paths, names and what is in data are no markup, no emoji, and cannot act on the terminal."""

    def __init__(self, stderr: bool = False, file: IO[str] | None = None) -> None:
        super().__init__(file=file, stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """A text as it is, but for characters that a terminal would act on."""
        return super().render_str(printable_lines(text), **how)
