"""What a recording answers if nothing but its rows is known: the base of those that are read from one set."""

from fip.data.arriving import Arrivals


class Untold:
    """Methods of a `Recording` with the usual answers: others come from writers that say more, or sets in parts."""

    def raw(self) -> bool:
        """Return False: nobody said that it is not calibrated."""
        return False

    def complete_rows(self) -> int | None:
        """Return None: it does not say which rows are complete."""
        return None

    def ended(self) -> bool | None:
        """Return None: it never says whether it has ended."""
        return None

    def parts_expected(self) -> int | None:
        """Return None: the rows show how many windows there are."""
        return None

    def windows_expected(self) -> tuple[int, ...]:
        """Return (): the rows show the windows."""
        return ()

    def arrivals(self) -> Arrivals | None:
        """Return None: it does not come in parts."""
        return None
