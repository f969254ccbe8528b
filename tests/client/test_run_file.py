"""Its process shows whether a run lives, and no clock does."""

import os
from pathlib import Path

import psutil
import pytest

from fip.client import run_file
from fip.client.run_file import FILE_NAME, read_run_file, remove_run_file, write_run_file


def test_a_run_lives_whatever_the_clock_is_set_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the clock is set by two seconds, or a day, a process seems to have begun at another time of day."""
    write_run_file(tmp_path, "ipc://control", "ipc://status")
    began = psutil.Process().create_time()
    for step in (2.0, -86400.0):
        monkeypatch.setattr(psutil.Process, "create_time", lambda process, step=step: began + step)
        found = read_run_file(tmp_path)
        assert found
        assert (found.pid, found.control) == (os.getpid(), "ipc://control")
    remove_run_file(tmp_path)
    assert read_run_file(tmp_path) is None


def test_another_process_of_its_number_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is gone is not taken for it either."""
    write_run_file(tmp_path, "ipc://control", "ipc://status")
    began = psutil.Process().create_time()
    with monkeypatch.context() as patched:
        born = run_file._born(os.getpid())  # noqa: SLF001 there is no other way to meet one's own number again
        patched.setattr(run_file, "_born", lambda pid: born + 1)
        patched.setattr(psutil.Process, "create_time", lambda process: began + 60.0)
        assert read_run_file(tmp_path) is None
    text = (tmp_path / FILE_NAME).read_text()
    (tmp_path / FILE_NAME).write_text(text.replace(f'"pid":{os.getpid()}', '"pid":4194303'))
    assert read_run_file(tmp_path) is None


def test_what_an_older_fip_wrote_counts(tmp_path: Path) -> None:
    """It said the Unix time at which the process began: a run goes on while FIP is upgraded."""
    write_run_file(tmp_path, "ipc://control", "ipc://status")
    text = (tmp_path / FILE_NAME).read_text()
    born = str(run_file._born(os.getpid()))  # noqa: SLF001 it is in the file
    assert born in text
    (tmp_path / FILE_NAME).write_text(text.replace(born, str(psutil.Process().create_time())))
    assert read_run_file(tmp_path)
