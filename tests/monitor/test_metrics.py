"""What Prometheus reads of a pipeline, alarms about, and Grafana shows: checked by Prometheus' own tool."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fip.data.complete import Complete
from fip.monitor.metrics import exposition
from fip.state.alerts import AlertsView
from fip.state.pipeline import PipelineState
from fip.state.transients import TransientsView
from fip.wire.messages import Departure, Followed, FollowerState, RingState
from fip.wire.status import Gpu, Latency, Resources
from support.pipeline_states import running, state
from support.repository import CONFIG
from support.told_states import antennas, pipeline, receiver, status, with_run

ALERTS_TEST = Path(__file__).with_name("alerts_test.yml")
EXPRESSIONS = [
    target["expr"]
    for panel in json.loads((CONFIG / "grafana.json").read_text())["panels"]
    for target in panel["targets"]
]


def promtool(*arguments: object, given: bytes | None = None) -> None:
    """Run Prometheus' tool, which finds fault with nothing."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(["promtool", *map(str, arguments)], input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def samples(seen: PipelineState) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What Prometheus reads: (name, labels) -> value."""
    families = text_string_to_metric_families(exposition(seen).decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


NEWEST = {"age": 3.0, "cadence": 2.0, "lately": 0.97, "backlog": 500, "worked_off": 90.0, "oddities": {"missing": 1}}
RECEIVER = receiver(1, "/data/obs.ms")  # of the run's recording


def everything() -> PipelineState:
    """A pipeline with a pace, a worker with a GPU, one that died, a search for transients, and a receiver."""
    complete = Complete(80, 3, 0.25, 0.95)
    said = with_run(pipeline(1), lag=1.0, deadline=2.0, failed=1, missed=3, complete=complete, final=False, **NEWEST)
    first, second = said.workers
    resources = Resources(1.0, 10**8, None, None, Gpu("H100", 0.5, 10**9, 8 * 10**10))
    first = replace(first, status=replace(first.status, resources=resources))
    told = replace(status("follower", "detector", 1), latencies={"behind": Latency(9, 0.9, 0.02, 0.1, 0.15)})
    detector = FollowerState(told, (Followed("detector", "job", "r", 7, 3, "/f"),))
    departed = (Departure(second.status, said.time, "died"),)
    found = TransientsView(
        {"transient": 3, "moving": 1}, false=0.4, negative_candidates=11, injected=5, injected_found=4,
        alerts=AlertsView(sent=2, refused=1),
    )  # fmt: skip
    ages = said.ages | {"head/detector": 0.2, RECEIVER.brief.boot: 0.2}
    said = replace(said, receivers=(RECEIVER,), ring=RingState(120, 6 * 10**7, 10**9, 1880))
    seen = state(replace(said, workers=(first,), followers=(detector,), ages=ages, departed=departed))
    return replace(seen, transients=found)


@pytest.mark.parametrize(
    "seen", [running(), everything(), PipelineState(0.0)], ids=["running", "everything", "nothing"]
)
def test_the_text_is_what_prometheus_wants(seen: PipelineState) -> None:
    """Names, types, help and units, by its own linter."""
    promtool("check", "metrics", given=exposition(seen))


def test_values_are_those_of_the_state() -> None:
    """For a daemon that has gone, only that it has gone is shown; with a hostile name, nothing else is changed."""
    seen = samples(everything())

    def value(metric: str, **labels: str) -> float | None:
        return seen.get((metric, frozenset(labels.items())))

    worker = {"role": "worker", "daemon": "head/cpu0"}
    assert value("fip_images_total", **worker) == 201  # 2 images/s for 100.5 s
    assert value("fip_busy_seconds_total", **worker) == pytest.approx(0.95 * 100.5)
    assert value("fip_stage_seconds", **worker, stage="image", quantile="0.95") == 0.5
    assert value("fip_gpu_memory_used_bytes", **worker) == 1e9
    assert value("fip_disk_free_bytes", **worker) is None
    assert value("fip_daemon_up", **worker) == 1
    gone = {name for name, labels in seen if ("daemon", "head/cpu1") in labels}
    assert gone == {"fip_daemon_up"}
    assert value("fip_daemon_up", role="worker", daemon="head/cpu1") == 0
    assert value("fip_verdict", verdict="failing") == 1
    assert value("fip_run_slices", run="r", name="obs", state="failed") == 1
    assert [value("fip_events_total", kind=kind) for kind in ("transient", "moving")] == [3, 1]
    assert (value("fip_false_expected"), value("fip_negative_total")) == (0.4, 11)
    assert (value("fip_injected_total"), value("fip_injected_found_total")) == (5, 4)
    assert value("fip_detect_lag_seconds", daemon="head/detector", quantile="0.95") == 0.1
    assert [value("fip_complete_ratio", run="r", name="obs", of=of) for of in ("mean", "least")] == [0.95, 0.25]
    assert value("fip_incomplete_slices_total", run="r", name="obs") == 3
    assert sum(number for (name, _), number in seen.items() if name == "fip_run_slices") == 100_000
    hostile = 'a"} 1\nfip_up 0\n'
    named = samples(state(with_run(pipeline(1), name=hostile)))
    assert named["fip_up", frozenset()] == 1
    assert ("fip_run_missed_total", frozenset({"run": "r", "name": hostile}.items())) in named


def test_antennas_are_counted_while_their_run_is_under_way() -> None:
    """They are counted by how they do, and none by its name."""

    def counted(seen: PipelineState) -> dict[str, float]:
        return {
            dict(labels)["state"]: value for (name, labels), value in samples(seen).items() if name == "fip_antennas"
        }

    ill = replace(pipeline(1), antennas=antennas(m03=(1.0, None), m07=(0.0, 10.0), m08=(0.0, 0.1), m09=(0.0, 0.1)))
    assert counted(state(ill)) == {"well": 12, "flagged": 1, "high": 1, "low": 2}
    assert samples(state(ill))["fip_flagged_ratio", frozenset({"run": "r", "name": "obs"}.items())] == 0.05
    assert counted(state(with_run(ill, stored=100_000))) == {}
    assert counted(state(with_run(ill, run="another"))) == {}


def test_rules_and_configuration() -> None:
    """They are well formed; alerts fire when they should, and not before."""
    promtool("check", "config", CONFIG / "prometheus.yml")
    promtool("test", "rules", ALERTS_TEST)


def test_the_dashboard_asks_for_what_there_is(tmp_path: Path) -> None:
    """Each of its expressions, and of the alerts', is well formed, and uses metrics that exist."""
    told = {name for name, _ in samples(everything())} | {name for name, _ in samples(running())}
    asked = re.findall(r"\bfip_\w+", " ".join([*EXPRESSIONS, *_rules()]))
    assert set(asked) <= told
    rules = [{"record": "checked:expression", "expr": expression} for expression in EXPRESSIONS]
    for number, rule in enumerate(rules):
        rule["record"] += str(number)
    file = tmp_path / "dashboard.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", file)


def _rules() -> list[str]:
    """The expressions of the alerts."""
    return re.findall(r"expr: ((?:>-\n)?(?:.|\n)+?)\n {8}(?:for|labels):", (CONFIG / "alerts.yml").read_text())
