"""A GPU for the tests of its kernels."""

from collections.abc import Iterator

import pytest

from fip.imaging.cuda.device import CupyDevice
from support.host_gpu import HostDevice, ThreadedDevice, needs_gpu


@pytest.fixture(scope="session", params=["processor", pytest.param("GPU", marks=needs_gpu)])
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CupyDevice:
    """The CUDA sources on the processor, and on a real GPU if there is one."""
    return CupyDevice("cuda:0") if request.param == "GPU" else HostDevice(tmp_path_factory.mktemp("gpu"))


@pytest.fixture(scope="session")
def threaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CupyDevice]:
    """The CUDA sources on the processor, of many threads at the same time."""
    device = ThreadedDevice(tmp_path_factory.mktemp("threaded"))
    yield device
    device.close()
