"""What a receiver does, as one line for `systemctl status`. Pure."""

from fip.wire.receiving import ReceiverState


def receiver_line(state: ReceiverState, where: str, silent: float) -> str:
    """Return what it hears, or waits for; `silent`: s without anything that fits."""
    brief = state.brief
    if state.status.state == "draining":
        does = "draining"
    elif not brief.spool:
        does = f"waits to know what {where} is"
    elif brief.ended:
        does = f"{where} has ended"
    elif silent >= max(2 * brief.cadence, 2.0):
        does = f"waits for {where}" + (f", silent for {silent:.0f} s" if silent < float("inf") else "")
    else:
        does = f"hears {where}"
    counts = f"{brief.received} integrations received, {brief.lost} lost, {brief.dropped} dropped"
    return f"{does}; {counts}{f'; {brief.warns[0]}' if brief.warns else ''}"
