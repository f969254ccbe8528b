"""The configuration: what wins, what is refused, and that the shipped file holds the defaults."""

from pathlib import Path

import pytest

from fip.config import Config, Follower, Worker, load
from fip.data.errors import ConfigError
from fip.data.options import hints
from support.repository import CONFIG


def test_the_shipped_file_holds_every_key_with_its_default() -> None:
    """config/fip.toml says what the defaults are, and names each key there is."""
    loaded = load(CONFIG / "fip.toml")
    defaults = Config()
    assert loaded.config.model_copy(update={"node": {}, "worker": {}, "follower": {}}) == defaults
    (follower,) = loaded.config.follower.values()
    assert follower == Follower(step=follower.step)
    text = (CONFIG / "fip.toml").read_text()
    for section in ("imaging", "source", "ventilator", "sink", "receiver", "monitor", "security", "detector"):
        table = text.partition(f"[{section}]")[2].partition("\n[")[0]
        for key in hints(type(getattr(defaults, section))):
            assert f"\n{key} = " in table or f"\n# {key} = " in table, f"{section}.{key}"


def test_the_command_line_wins_over_environment_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key comes from the highest of command line, environment, file, default that has it, and says which."""
    file = tmp_path / "fip.toml"
    file.write_text('[imaging]\nscale = "1arcsec"\nstokes = "V"\nepsilon = 1e-4\n')
    monkeypatch.setenv("FIP__IMAGING__STOKES", "Q")
    monkeypatch.setenv("FIP__IMAGING__SCALE", "2arcsec")
    loaded = load(file, {"imaging.scale": "180arcsec", "imaging.size": None})
    assert loaded.config.imaging.scale == pytest.approx(180 / 206264.806, rel=1e-6)
    assert loaded.config.imaging.stokes == ("Q",)
    assert loaded.config.imaging.epsilon == 1e-4
    keys = ("imaging.scale", "imaging.stokes", "imaging.epsilon", "imaging.size")
    assert [loaded.origin(key) for key in keys] == ["command line", "environment", str(file), "default"]


def test_a_worker_of_a_host_wins_over_one_of_the_name(tmp_path: Path) -> None:
    """[worker."HOST/NAME"] is for that host alone; a worker that is not named has the defaults."""
    file = tmp_path / "fip.toml"
    file.write_text('[worker.cpu0]\n[worker."head.example/cpu0"]\ndevice = "cpu"\n')
    config = load(file).config
    assert set(config.worker) == {"cpu0", "head.example/cpu0"}
    assert config.worker_named("cpu7", "head") == Worker()


def test_code_of_users_stands_in_the_table_of_all_workers_or_of_one(tmp_path: Path) -> None:
    """[worker] is for every worker, and a worker's own wins; whoever lists settings sees each in its own table."""
    file = tmp_path / "fip.toml"
    file.write_text(
        '[worker]\nstages = {fix = "a:b", other = "a.b:c"}\n'
        '[worker.cpu0]\nstages = {fix = "d:e"}\nentry_points = false\n'
    )
    loaded = load(file)
    assert loaded.config.worker_named("cpu0", "head").stages == {"fix": "d:e", "other": "a.b:c"}
    assert not loaded.config.worker_named("cpu0", "head").entry_points
    assert loaded.config.worker_named("cpu1", "head") == Worker(stages={"fix": "a:b", "other": "a.b:c"})
    told = {key: (value, origin) for key, value, origin in loaded.settings()}
    assert told["worker.stages"] == ({"fix": "a:b", "other": "a.b:c"}, str(file))
    assert told["worker.cpu0.stages"] == ({"fix": "d:e"}, str(file))
    assert "worker.device" not in told
    file.write_text('[worker]\nstages = {fix = "a b"}\n')
    with pytest.raises(ConfigError, match="stages"):
        load(file)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """Unknown keys and bad values are named together, each with the file, the value and what would work."""
    file = tmp_path / "fip.toml"
    file.write_text('[imaging]\nsize = "big"\n[ventilator]\nlane_deph = 3\nmax_attempts = 0\n[sinc]\n')
    with pytest.raises(ConfigError) as error:
        load(file)
    lines = str(error.value).splitlines()
    assert len(lines) == 4
    for says in ("imaging.size", "did you mean lane_depth?", "ventilator.max_attempts", "did you mean sink?"):
        assert any(says in line for line in lines), says


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[follower.mean]\nstep = "step"\n', "follower.mean.step: String should match pattern"),
        ("[follower.mean]\ncheckpoint = 4\n", "follower.mean.step: Field required"),
        (
            '[follower.mean]\nstep = "a:b"\nhold = "soon"\n',
            "'soon' is not a time with its unit, as 30s, 10min, 1h or 2d",
        ),
        ('[follower.mean]\nstep = "a:b"\nwindow = 40\n', "window = 40 is more than checkpoint = 32: of the last two"),
        ('[node.head]\nruns = ["follower.mean"]\n', "node.head.runs: 'follower.mean': there is no [follower.mean]"),
        (
            '[node.head]\nruns = ["followers"]\n',
            "'followers' is not ventilator, sink, monitor, detector, receiver, worker.NAME or follower.NAME",
        ),
        ('[node.head]\nruns = ["detector.one"]\n', "'detector.one' is not ventilator, sink, monitor, detector, "),
        (
            '[follower.detector]\nstep = "a:b"\n',
            "[follower.detector] has the name of FIP's own follower, [detector]: give it another",
        ),
        (
            "[detector]\nwidths = 65\n",
            "detector.widths: '65' is not a number of slices of the longest transient: 1,",
        ),
        ('[detector]\nalso_average = "16"\n', "'16' is not of how many slices means are kept: 32 or 1024, each once"),
        ('[detector]\nfalse_alarms = "few"\n', "'few' is not a rate of false events, as 1/week or 1/10 min"),
    ],
)
def test_a_follower_that_cannot_work_is_a_fault_of_the_file(text: str, says: str, tmp_path: Path) -> None:
    """One line, with the key."""
    (tmp_path / "fip.toml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "fip.toml")
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("said", "meant"), [("true", True), ("false", False), ('"false"', False), ('"frbs"', "frbs")])
def test_a_catalogue_says_whether_its_sources_are_told(tmp_path: Path, said: str, meant: bool | str) -> None:
    file = tmp_path / "fip.toml"
    file.write_text(
        f'[detector]\ntle = "a.tle"\n[catalogue.psr]\nfile = "psr.csv"\ntell = {said}\n'
        '[alerts.frbs]\nurl = "https://example.org/"\n'
    )
    loaded = load(file)
    assert loaded.config.catalogue["psr"].tell == meant
    assert str(loaded.config.detector.tle) == "a.tle"
    assert ("catalogue.psr.file", "psr.csv", str(file)) in list(loaded.settings())
    file.write_text('[catalogue.psr]\nfile = "psr.csv"\ntell = 3\n')
    with pytest.raises(ConfigError) as refused:
        load(file)
    file.write_text('[catalogue.psr]\nfile = "psr.csv"\ntell = "frbs"\n')
    with pytest.raises(ConfigError, match="tells its sources to frbs, which is no target"):
        load(file)
    told = "catalogue.psr.tell: 3 does not say whether to tell: true, false, or the name of a target (found 3)"
    assert str(refused.value) == f"{file}: {told}"
