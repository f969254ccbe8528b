"""`fip-worker`: images slices, one at a time, on one device. It keeps nothing: what it loses is sent again."""

import argparse
from typing import Any

from fip.config import Loaded
from fip.data.errors import ConfigError, UsageError, UserCodeError
from fip.imaging.kernels import CPU
from fip.runtime.service import Loop, run_daemon
from fip.runtime.sockets import host_name
from fip.worker.user_code import offers_of
from fip.worker.worker import Worker


def _make(arguments: argparse.Namespace, loaded: Loaded, loop: Loop) -> Worker:
    device = loaded.config.device_of(arguments.name, host_name())
    if device != CPU:
        from fip.imaging.cuda.device import check_gpu  # late: it imports cupy

        try:
            check_gpu(device)
        except UsageError as error:
            raise ConfigError(f"worker {arguments.name}: {error}") from None
    try:
        offers = offers_of(loaded.config.worker_named(arguments.name, host_name()))
    except UserCodeError as error:
        raise ConfigError(f"worker {arguments.name}: {error}") from None
    return Worker(arguments.name, device, loaded, loop, offers=offers)


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    worker = f"worker.{host_name()}/{arguments.name}.device"
    return {"ventilator.control": arguments.ventilator, worker: arguments.device}


def main() -> None:
    """Run a worker until it ends."""
    parser = argparse.ArgumentParser(prog="fip-worker", description="Image the slices that a ventilator cuts.")
    parser.add_argument("--name", default="cpu0", help="one name for each worker of a host (default: cpu0)")
    parser.add_argument("--ventilator", help="address of the ventilator, as tcp://head:5557")
    parser.add_argument("--device", help="what to image on: cpu or cuda:N (default: cuda:N for a gpuN, else cpu)")
    run_daemon(parser, _make, _overrides)
