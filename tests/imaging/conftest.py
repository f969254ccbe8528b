"""A GPU for the tests of its kernels."""

import pytest

from fip.imaging.cuda.device import CupyDevice
from support.host_gpu import HostDevice, needs_gpu


@pytest.fixture(scope="session", params=["processor", pytest.param("GPU", marks=needs_gpu)])
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CupyDevice:
    """The CUDA sources on the processor, and on the real thing where there is one."""
    return CupyDevice("cuda:0") if request.param == "GPU" else HostDevice(tmp_path_factory.mktemp("gpu"))
