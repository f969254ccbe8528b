"""A node as operators have it: install.sh on a machine with a real systemd, and the pipeline by its units.

All tests share one machine, on which FIP is installed once; each leaves its daemons running as the layout says.
"""

import shutil
from pathlib import Path

import pytest

from support.fip_command import fip, images
from support.many_slices import OPTIONS
from support.node import DEADLY, LAYOUT, Installed, Node, pip_wheel
from support.repository import ROOT

pytestmark = pytest.mark.timeout(900)

SLICES = 80
RUN = ("/data/many.ms", "--interval", f"0~{SLICES}", *OPTIONS, "--kernel", "wgridder")
DAEMONS = ("fip-ventilator", "fip-sink", "fip-worker@cpu0", "fip-monitor", "fip-detector")
COMPILED_ANEW = "compiling the imaging kernels, once, about"
READER = "fip-reader@0"  # it has no loop that drains or reports, and is let go when the ventilator stops


@pytest.fixture(scope="module")
def node(installed: Installed) -> Node:
    """A node of its own layout, which has a detector, with a run of many slices to image."""
    machine = installed.machine
    layout = machine.path(LAYOUT)
    layout.write_text(layout.read_text().replace('"monitor"]', '"monitor", "detector"]'))
    machine.run("/src/install.sh", "node", "--offline", "/wheels", timeout=800)
    machine.run("fip", "run", "--output", "/var/tmp/undisturbed", *RUN)
    whole = {image.name: image.read_bytes() for image in images(machine.path("/var/tmp/undisturbed"))}
    assert len(whole) == SLICES
    return Node(machine, whole)


def submit(node: Node, pace: int = 80) -> Path:
    """Submit the run of many slices; at a pace of 80 it takes 8 s, were it left alone: something to disturb."""
    return node.submit(*RUN, "--pace", str(pace))


def assert_all_are_up(node: Node) -> None:
    """All daemons of the layout run."""
    units = (*DAEMONS, READER)
    assert node.machine.systemctl("is-active", *units, check=False).split() == ["active"] * len(units)


@pytest.fixture
def running(node: Node) -> Node:
    """The node, with all daemons of its layout up."""
    node.machine.systemctl("start", "fip.target")
    return node


def test_install_says_what_it_does_and_does_it_once(installed: Installed, node: Node) -> None:
    """A dry run changes nothing; installing again, neither, and a layout that was edited stays as it is."""
    machine = node.machine
    assert "would be making /opt/fip/versions/" in installed.dry
    assert installed.before == []
    assert "would be" not in installed.said
    assert COMPILED_ANEW in installed.said
    assert "imaging kernels are ready" in installed.said
    version = machine.run("readlink", "-f", "/opt/fip/current").stdout.strip()
    assert f"making {version} with /usr/bin/python3" in installed.said
    machine.path(LAYOUT).write_text(machine.path(LAYOUT).read_text() + "# edited\n")
    again = node.install("node", "--offline", "/wheels").stdout
    assert f"{version} is there" in again
    assert machine.run("ls", "/opt/fip/versions").stdout.split() == [Path(version).name]
    assert machine.path(LAYOUT).read_text().endswith("# edited\n")
    assert node.enabled() == sorted(f"{daemon}.service" for daemon in (*DAEMONS, READER))
    assert machine.run("fip", "--version").stdout == fip("--version").stdout


@pytest.mark.parametrize(
    ("layout", "words", "reason"),
    [
        ("[node.other]\nruns = ['sink']\n", (), "there is no [node.head] in the layout, which has other"),
        ("[sink]\ndirektory = '/x'\n", (), "unknown key; did you mean directory?"),
        ("", ("--offline", "/src"), "has no wheel of FIP"),
        ("", ("--nmae", "x"), "not '--nmae'"),
    ],
)
def test_what_cannot_be_installed_changes_nothing(layout: str, words: tuple[str, ...], reason: str, node: Node) -> None:
    """A broken layout, missing wheels, a misspelt option: one line that says what is wrong, and all is as before."""
    machine = node.machine
    good = machine.path(LAYOUT).read_text()
    machine.path(LAYOUT).write_text(layout or good)
    tree = ("find", "/etc/systemd", "/opt/fip", "-maxdepth", "2", "-printf", "%p %T@ %l\n")
    before = machine.run(*tree).stdout
    refused = node.install("node", *(words or ("--offline", "/wheels")), check=False)
    machine.path(LAYOUT).write_text(good)
    assert refused.returncode != 0
    assert reason in refused.stderr
    assert machine.run(*tree).stdout == before


def test_units_hold_and_confine(node: Node) -> None:
    """systemd finds no fault in the units, and what they expose is little."""
    machine = node.machine
    units = [
        *(f"{daemon}.service" for daemon in (*DAEMONS, READER)),
        "fip-receiver.service",
        "fip-gpu.service",
        "fip.target",
    ]
    verified = machine.run("systemd-analyze", "verify", "--man=no", *units, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    for daemon in (*DAEMONS, READER, "fip-receiver"):
        most = "20" if "worker" in daemon else "15"  # tenths
        machine.run("systemd-analyze", "security", f"--threshold={most}", f"{daemon}.service")
    for example in (ROOT / "systemd" / "examples").iterdir():
        if example.name.startswith("systemd-"):
            continue  # it needs a newer one
        drop_in = machine.path("/etc/systemd/system/fip-worker@cpu0.service.d")
        drop_in.mkdir(exist_ok=True)
        shutil.copy(example, drop_in)
    verified = machine.run("systemd-analyze", "verify", "--man=no", "fip-worker@cpu0.service", check=False)
    machine.run("rm", "-r", "/etc/systemd/system/fip-worker@cpu0.service.d")
    machine.systemctl("daemon-reload")
    assert (verified.returncode, verified.stderr) == (0, "")


OWN = {  # what each daemon writes, of FIP's folders
    "fip-ventilator": ("fip", {"/var/lib/fip-ventilator", "/run/fip", "/run/fip-readers"}),
    "fip-sink": ("fip", {"/var/lib/fip", "/run/fip"}),
    "fip-worker@cpu0": ("fip", {"/var/cache/fip"}),
    "fip-monitor": ("fip-monitor", {"/var/lib/fip-monitor"}),
    "fip-detector": ("fip", {"/var/lib/fip", "/var/cache/fip"}),
    READER: ("fip", set()),
}


def test_each_daemon_writes_its_own_folder_alone(running: Node) -> None:
    """What a stranger makes one of them do harms nothing of the others; the page writes no image and no job."""
    machine = running.machine
    folders = set.union(*(own for _, own in OWN.values())) | {"/etc/fip", "/opt/fip", "/tmp/of-others"}
    machine.run("mkdir", "-pm", "777", "/tmp/of-others")
    for unit, (user, own) in OWN.items():
        inside = ("nsenter", "--mount", f"--target={machine.show(unit, 'MainPID')}")
        as_it = (*inside, "setpriv", f"--reuid={user}", "--regid=fip", "--clear-groups")
        writable = {each for each in folders if machine.run(*as_it, "test", "-w", each, check=False).returncode == 0}
        assert (unit, writable) == (unit, own)
        assert machine.show(unit, "User") == user


def test_a_reader_has_neither_keys_nor_network(running: Node) -> None:
    """It sees no socket but the one at which it joins, which no worker and no sink sees."""
    machine = running.machine
    pid, ventilators = machine.show(READER, "MainPID"), machine.show("fip-ventilator", "MainPID")
    networks = {machine.run("readlink", f"/proc/{each}/ns/net").stdout for each in (pid, ventilators)}
    assert len(networks) == 2
    inside = ("nsenter", "--mount", f"--target={pid}")
    for folder in ("/etc/fip/keys", "/run/credentials", "/run/fip"):
        assert machine.run(*inside, "ls", folder, check=False).stdout == ""
    for unit in ("fip-worker@cpu0", "fip-sink"):
        other = ("nsenter", "--mount", f"--target={machine.show(unit, 'MainPID')}")
        assert machine.run(*other, "ls", "/run/fip-readers", check=False).stdout == ""
    assert "reading child" in machine.journal("fip-ventilator")


def test_without_keys_the_group_fip_may_join(running: Node) -> None:
    """Nothing but the page is at a port; a user of the group submits; another reads which group it is open to."""
    machine = running.machine
    listening = machine.run("ss", "--listening", "--tcp", "--no-header", "--numeric").stdout.splitlines()
    assert [line.split()[3] for line in listening] == ["127.0.0.1:8570"]
    machine.run("useradd", "--groups", "fip", "observer")
    machine.run("useradd", "visitor")
    machine.run("runuser", "-u", "observer", "fip", "jobs")
    refused = machine.run("runuser", "-u", "visitor", "fip", "jobs", check=False)
    assert refused.returncode == 1
    assert "it is for the group fip: `sudo usermod -aG fip $USER`" in refused.stderr


def test_a_worker_is_added_while_a_run_is_under_way(running: Node) -> None:
    """`systemctl start fip-worker@cpu1`, and it images, alone when the other leaves; status says what each does."""
    machine = running.machine
    directory = submit(running, pace=30)
    running.wait_for(2, directory)
    running.wait_to_say("fip-ventilator", r"many: \d+ of 80 stored")
    machine.systemctl("start", "fip-worker@cpu1")
    machine.systemctl("stop", "fip-worker@cpu0")
    assert machine.show("fip-worker@cpu0", "Result") == "success"
    assert running.stored(directory) < SLICES
    running.assert_whole(directory)
    running.wait_to_say("fip-worker@cpu1", r"waits for slices; [1-9]\d* imaged")
    running.wait_to_say("fip-sink", "waits for a run; 80 stored")
    running.wait_to_say("fip-monitor", r"serves http://127.0.0.1:8570/$")
    running.wait_to_say("fip-detector", r"in /var/lib/fip; [1-9]\d* seen")
    assert machine.path(str(directory / "transients" / "events.ecsv")).exists()
    assert "worker head/cpu1 joins" in machine.journal("fip-*")
    image = running.machine.path(str(directory)) / next(iter(running.whole))
    assert (image.stat().st_mode & 0o777, image.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    machine.systemctl("start", "fip-worker@cpu0")
    machine.systemctl("stop", "fip-worker@cpu1")


def test_what_is_killed_is_started_again(running: Node) -> None:
    """kill -9 of each daemon in the middle of a run: systemd starts it, and nothing is lost."""
    machine = running.machine
    directory = submit(running)
    for number, unit in enumerate((*DAEMONS[:3], "fip-detector", READER), 1):
        running.wait_for(5 * number, directory)
        pid = machine.show(unit, "MainPID")
        machine.run("kill", "-9", pid)
        running.restarted(unit, pid)
    running.assert_whole(directory)


def test_a_worker_that_hangs_is_started_again(running: Node) -> None:
    """A worker that is stopped feeds its watchdog no more: systemd kills and starts it."""
    machine = running.machine
    impatient = machine.path("/run/systemd/system/fip-worker@cpu0.service.d")
    impatient.mkdir(parents=True)
    (impatient / "impatient.conf").write_text("[Service]\nWatchdogSec=3s\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "fip-worker@cpu0")
    directory = submit(running)
    running.wait_for(5, directory)
    pid = machine.show("fip-worker@cpu0", "MainPID")
    machine.run("kill", "-STOP", pid)
    running.restarted("fip-worker@cpu0", pid)
    assert "Watchdog timeout" in machine.journal("fip-worker@cpu0")
    running.assert_whole(directory)


def test_slices_that_end_the_only_worker_end_their_job_and_the_next_is_done(running: Node) -> None:
    """systemd starts the worker again each time, more often than any start limit would allow."""
    machine = running.machine
    machine.run("mkdir", "-p", "/srv/fault")
    machine.path("/srv/fault/sitecustomize.py").write_text(DEADLY)
    machine.run("cp", "-r", "/data/many.ms", "/srv/deadly.ms")
    faulty = machine.path("/run/systemd/system/fip-worker@cpu0.service.d")
    faulty.mkdir(parents=True, exist_ok=True)
    (faulty / "faulty.conf").write_text("[Service]\nEnvironment=PYTHONPATH=/srv/fault\n")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "fip-worker@cpu0")
    before = int(machine.show("fip-worker@cpu0", "NRestarts"))
    deadly = running.submit("/srv/deadly.ms", *RUN[1:])
    last = submit(running, pace=1000)
    running.assert_whole(last)
    state, reason = running.state_of_job(deadly)
    assert state == "failed"
    assert "12 workers died of it before one image was stored" in reason
    assert int(machine.show("fip-worker@cpu0", "NRestarts")) - before >= 12
    machine.run("rm", "-r", "/srv/fault", "/srv/deadly.ms", "/run/systemd/system/fip-worker@cpu0.service.d/faulty.conf")
    machine.systemctl("daemon-reload")
    machine.systemctl("restart", "fip-worker@cpu0")


def test_a_damaged_ledger_ends_its_job_and_the_next_is_done(running: Node) -> None:
    """Found when the sink is started again: no unit fails, and the reason is given."""
    machine = running.machine
    damaged = submit(running, pace=20)
    running.wait_for(3, damaged)
    machine.systemctl("stop", "fip-sink")
    machine.run("sh", "-c", f"rm -f {damaged}/fip.sqlite-*; head -c 50000 /dev/zero >{damaged}/fip.sqlite")
    last = submit(running, pace=1000)
    machine.systemctl("start", "fip-sink")
    running.assert_whole(last)
    state, reason = running.state_of_job(damaged)
    assert state == "failed"
    assert f"ledger {damaged}/fip.sqlite is damaged" in reason
    assert_all_are_up(running)


def test_a_full_disk_is_waited_for_and_the_next_job_is_done(running: Node) -> None:
    """All that the daemons write is on it: none of them ends, and what was submitted goes on when there is room."""
    machine = running.machine
    machine.systemctl("stop", "fip.target")
    for unit in DAEMONS:
        running.wait_until(unit, "inactive")
    machine.run("sh", "-c", "mount -t tmpfs -o size=1m,mode=0755,uid=$(id -u fip),gid=$(id -g fip) disk /var/lib/fip")
    machine.systemctl("start", "fip.target")
    first = submit(running, pace=1000)
    running.wait_to_say("fip-sink", "waits")
    machine.wait(lambda: "waiting until" in machine.journal("fip-sink"), "fill the disk")
    cancelled = machine.run("fip", "cancel", first.name, check=False)
    assert cancelled.stdout == f"{first.name}: cancelled\n"
    machine.run("mount", "-o", "remount,size=50m", "/var/lib/fip")
    last = submit(running, pace=1000)
    running.assert_whole(last)
    assert_all_are_up(running)
    assert [machine.show(unit, "NRestarts") for unit in DAEMONS] == ["0"] * len(DAEMONS)
    machine.systemctl("stop", "fip.target")
    for unit in DAEMONS:
        running.wait_until(unit, "inactive")
    machine.run("umount", "/var/lib/fip")
    machine.systemctl("start", "fip.target")


def test_a_run_outlives_stop_reboot_and_power_cut(running: Node) -> None:
    """Stopping drains: what was sent is stored; enabled units come back at boot, and the run goes on."""
    machine = running.machine
    directory = submit(running)
    running.wait_for(5, directory)
    machine.systemctl("stop", "fip.target")
    for unit in DAEMONS:
        running.wait_until(unit, "inactive")
        assert machine.show(unit, "Result") == "success", unit
        assert "draining" in machine.journal(unit)
    machine.systemctl("start", "fip.target")
    running.wait_for(15, directory)
    machine.reboot()
    assert_all_are_up(running)
    running.wait_for(25, directory)
    machine.power_cut()
    machine.boot()
    assert_all_are_up(running)
    running.assert_whole(directory)


def test_a_broken_configuration_is_not_tried_again(running: Node) -> None:
    """The daemon ends with 78, systemd leaves it at that, and status and journal say what is wrong."""
    machine = running.machine
    good = machine.path(LAYOUT).read_text()
    machine.path(LAYOUT).write_text(good.replace("\n[sink]", "\n[sink]\nimmages = 1\n#"))
    refused = machine.run("systemctl", "restart", "fip-sink", check=False)
    machine.path(LAYOUT).write_text(good)
    assert refused.returncode != 0
    assert (machine.show("fip-sink", "ExecMainStatus"), machine.show("fip-sink", "NRestarts")) == ("78", "0")
    assert machine.show("fip-sink", "ActiveState") == "failed"
    fault = f"{LAYOUT}: sink.immages: unknown key; did you mean images?"
    assert fault in machine.journal("fip-sink")
    assert fault in machine.show("fip-sink", "StatusText")
    assert "fip-worker@gpu7" in machine.run("systemctl", "start", "fip-worker@gpu7", check=False).stderr
    assert machine.show("fip-worker@gpu7", "ExecMainStatus") == "78"
    assert "worker gpu7" in machine.journal("fip-worker@gpu7")
    machine.systemctl("reset-failed")
    machine.systemctl("start", "fip-sink")


def test_reload_takes_what_may_change(running: Node) -> None:
    """systemctl reload: the process stays, the journal says what is in force and what needs a restart."""
    machine = running.machine
    pid = machine.show("fip-ventilator", "MainPID")
    good = machine.path(LAYOUT).read_text()
    machine.path(LAYOUT).write_text(
        good.replace('pace = "max"', "pace = 160").replace("max_attempts = 3", "max_attempts = 4")
    )
    machine.systemctl("reload", "fip-ventilator")
    machine.wait(lambda: "was read again" in machine.journal("fip-ventilator"), "read the configuration again")
    machine.path(LAYOUT).write_text(good)
    assert "ventilator.pace = '160' (was 'max'): in force" in machine.journal("fip-ventilator")
    assert "ventilator.max_attempts = 4 (was 3): needs a restart" in machine.journal("fip-ventilator")
    assert (machine.show("fip-ventilator", "MainPID"), machine.show("fip-ventilator", "ActiveState")) == (pid, "active")


def test_upgrade_with_a_run_under_way(running: Node, tmp_path: Path) -> None:
    """What runs is drained and goes on with the new version; one that does not start leaves the old in use."""
    machine = running.machine
    old = machine.run("readlink", "/opt/fip/current").stdout.strip()
    pip_wheel(tmp_path / "wheels", tmp_path, "--no-deps", version="99.0")
    machine.run("cp", "-r", "/wheels", "/var/tmp/newer")
    shutil.copytree(tmp_path / "wheels", machine.path("/var/tmp/newer"), dirs_exist_ok=True)
    only_old = machine.path("/etc/systemd/system/fip-sink.service.d/only-old.conf")
    only_old.write_text(f"[Service]\nExecStartPre=/bin/sh -c 'test $(readlink /opt/fip/current) = {old}'\n")
    machine.systemctl("daemon-reload")
    refused = running.install("upgrade", "--offline", "/var/tmp/newer", check=False)
    assert refused.returncode == 1
    assert "compiling the imaging kernels, unless they are in" in refused.stdout
    assert COMPILED_ANEW not in refused.stdout  # they are the same functions, elsewhere
    assert f"does not start, see above: /opt/fip/{old} is in use again" in refused.stderr
    assert machine.run("readlink", "/opt/fip/current").stdout.strip() == old
    assert_all_are_up(running)
    only_old.unlink()
    machine.systemctl("daemon-reload")

    directory = submit(running, pace=20)
    running.wait_for(2, directory)
    running.install("upgrade", "--offline", "/var/tmp/newer")
    assert running.stored(directory) < SLICES
    assert machine.run("fip", "--version").stdout.split()[-1] == "99.0"
    assert_all_are_up(running)
    running.wait_for_the_end(directory)
    assert {image.name for image in images(machine.path(str(directory)))} == set(running.whole)


def test_uninstall_leaves_images(running: Node) -> None:
    """Nothing runs and nothing of FIP is left but images, ledgers, the queue, and what --purge removes."""
    machine = running.machine
    of_users = ("/var/lib/fip", "/var/lib/fip-ventilator")
    kept = machine.run("find", *of_users, "-name", "*.fits", "-o", "-name", "*.sqlite").stdout.split()
    assert len(kept) > SLICES
    running.install("uninstall")
    assert machine.path(LAYOUT).exists()
    for gone in ("/opt/fip", "/usr/local/bin/fip", "/etc/systemd/system/fip.target"):
        assert not machine.path(gone).exists()
    assert machine.run("find", "/etc/systemd/system", "-name", "fip*").stdout == ""
    assert machine.systemctl("list-units", "--plain", "--no-legend", "fip*") == ""
    running.install("uninstall", "--purge")
    assert not machine.path("/etc/fip").exists()
    assert not machine.path("/var/cache/fip").exists()
    assert machine.run("id", "fip", check=False).returncode != 0
    assert machine.run("getent", "group", "fip", check=False).returncode != 0
    assert set(kept) <= set(machine.run("find", *of_users).stdout.split())
