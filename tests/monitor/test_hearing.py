"""What the monitor makes of more messages than it reads: it shows the newest."""

import json
import time
from pathlib import Path

import zmq

from fip.runtime.sockets import control_socket
from fip.wire.codec import encode_control
from support.monitor_process import WITHIN, Web, monitor
from support.told_states import pipeline

BURST = 300  # messages


def stored(web: Web) -> int:
    """How many images the monitor says are stored; -1 before it has heard of any."""
    jobs = json.loads(web.get("/api/state").body)["jobs"]
    return int(jobs[0]["runs"][0]["stored"]) if jobs else -1


def test_of_many_messages_the_last_is_shown(tmp_path: Path) -> None:
    """Even if nothing is said after it; and then that of the next burst, by whatever was skipped."""
    context = zmq.Context()
    said = control_socket(context, zmq.PUB)
    said.bind(f"ipc://{tmp_path}/status")
    try:
        with monitor(tmp_path) as web:
            give_up = time.monotonic() + WITHIN
            while stored(web) < 0:  # it joins
                said.send(encode_control(pipeline(0)))
                assert time.monotonic() < give_up
            for burst in (1, 2):
                messages = [pipeline(number) for number in range((burst - 1) * BURST + 1, burst * BURST + 1)]
                for message in messages:
                    said.send(encode_control(message))
                while stored(web) != messages[-1].jobs[0].runs[0].stored:
                    assert time.monotonic() < give_up
                    time.sleep(0.05)
    finally:
        context.destroy(linger=0)
