"""What a recording answers of which nothing but its rows is known: the base of those that are read from one set."""

from fip.data.arriving import Arrivals


class Untold:
    """The questions of a `Recording` that only those answer otherwise whose writer says more, or that come in parts."""

    def raw(self) -> bool:
        """Nobody said so."""
        return False

    def complete_rows(self) -> int | None:
        """It does not say."""
        return None

    def ended(self) -> bool | None:
        """It never says."""
        return None

    def parts_expected(self) -> int | None:
        """The rows tell it."""
        return None

    def windows_expected(self) -> tuple[int, ...]:
        """The rows tell them."""
        return ()

    def arrivals(self) -> Arrivals | None:
        """It does not come in parts."""
        return None
