# SPDX-License-Identifier: Apache-2.0
"""Dashboard and alerts name only metrics that a daemon has, and no metric is labelled with a job."""

import json
import re
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest

from swarm.errors import IntegrityError, NotFound, SwarmError, TransientError, UsageError
from swarm.monitoring import connections
from swarm.runtime.gpus import Gpu
from swarm.seller import metrics as worker_metrics
from swarm.storage import tally
from swarm.storage.tally import counted
from verifier import metrics as judge_metrics
from verifier.queue import Duty, Watch

OPS = Path(__file__).resolve().parents[2] / "ops"
NAME = re.compile(r"\b(?:swarm|process)_[a-z0-9_]+")
FACTS = {
    "mode": "pause",
    "blocked": "schedule",
    "chain": {"at": 1_000.0, "time": 990},
    "jobs": {"running": 1, "submitted": 2},
    "running": {"job": 7, "checkpoint_at": 900.0, "started_at": 800.0},
    "phase_seconds": {"running": 12.5},
    "totals": {"earned": str(3 * 10**18), "jobs": {"lora settled": 2, "container slashed": 1}},
    "unpaid": str(10**17),
    "stake": {"bonded": str(50 * 10**18), "at_risk": str(2 * 10**18)},
    "gas": {"wei": str(10**16), "jobs": 12},
    "open_jobs": 4,
    "not_taken": {"price": 3},
}


def watch() -> Watch:
    found = Watch()
    found.duties = [Duty(7, 0, "replay", 3, "0x", 100, 50, 60, 1)]
    found.said["confirmed"] += 1
    found.seen_at = time.time()
    return found


def samples(families) -> dict[str, list]:
    return {each.name: family.samples for family in families for each in family.samples}


def client(lags=()):
    """A chain's client as the metrics see it."""
    return SimpleNamespace(pending_transactions=lambda: 2, endpoints=SimpleNamespace(lags=lambda: dict(lags)))


def every_metric() -> set[str]:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    own = {line.split()[2] for line in generate_latest(registry).decode().splitlines() if line.startswith("# TYPE")}
    gpu = Gpu(0, "GPU-1", "RTX 4090", 24 << 30, 20 << 30, (8, 9), 61.0, 320.5)
    with counted("gateway"):
        pass
    links = set(samples(connections(client({"rpc.example.org": 3}))))
    roles = set(samples(worker_metrics.collect(FACTS, [gpu]))) | set(samples(judge_metrics.collect(watch())))
    return own | roles | links


def test_every_metric_in_ops_exists():
    known = every_metric()
    for path in (OPS / "grafana" / "computeswarm.json", OPS / "prometheus" / "alerts.yaml"):
        named = set(NAME.findall(path.read_text()))
        assert len(named) >= 8 and not named - known, (path.name, named - known)


def test_the_dashboard_shows_every_metric_but_the_names_of_gpus():
    shown = set(NAME.findall((OPS / "grafana" / "computeswarm.json").read_text()))
    ours = {name for name in every_metric() if name.startswith("swarm_")}
    assert ours - shown == {"swarm_worker_gpu_info", "swarm_wallet_gas_tokens"}


def test_no_label_has_a_value_for_each_job():
    families = [*worker_metrics.collect(FACTS), *judge_metrics.collect(watch()), *connections(client({"rpc": 1}))]
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    assert labels <= {
        "type",
        "outcome",
        "state",
        "phase",
        "reason",
        "gpu",
        "model",
        "verdict",
        "peer",
        "endpoint",
    }


def test_a_gpu_is_measured_and_what_it_does_not_tell_is_left_out():
    told = Gpu(0, "GPU-1", "RTX 4090", 24 << 30, 20 << 30, (8, 9), 61.0, 320.5)
    mute = Gpu(1, "GPU-2", "Tesla M60", 8 << 30, 8 << 30, (5, 2))
    found = samples(worker_metrics.collect({}, [told, mute]))
    assert [(one.labels["gpu"], one.value) for one in found["swarm_gpu_temperature_celsius"]] == [("0", 61.0)]
    assert [one.value for one in found["swarm_gpu_power_watts"]] == [320.5]
    assert [one.value for one in found["swarm_gpu_memory_used_bytes"]] == [4 << 30, 0]


def test_connections_tell_outcomes_pending_transactions_and_who_lags():
    before = tally.counts()
    for error in (None, NotFound("not here"), IntegrityError("lied"), TransientError("away"), UsageError("full")):
        with suppress(SwarmError), counted("gateway"):
            if error:
                raise error
    found = samples(connections(client({"a": 0, "b": 7})))
    made = {
        each.labels["outcome"]: each.value - before.get(("gateway", each.labels["outcome"]), 0)
        for each in found["swarm_content_requests_total"]
        if each.labels["peer"] == "gateway"
    }
    assert made == {"ok": 1, "absent": 1, "wrong": 1, "failed": 2}
    assert found["swarm_chain_pending_transactions"][0].value == 2
    assert {each.labels["endpoint"]: each.value for each in found["swarm_chain_endpoint_lag_blocks"]} == {
        "a": 0,
        "b": 7,
    }
    assert "swarm_chain_endpoint_lag_blocks" not in samples(connections(client())), "never compared: no series"


def test_a_worker_that_knows_nothing_yet_is_up_and_not_ready():
    assert samples(worker_metrics.collect({}))["swarm_worker_up"][0].value == 1
    assert "not seen" in worker_metrics.readiness({})
    assert "not seen for" in worker_metrics.readiness({"chain": {"at": time.time() - 500}})
    assert worker_metrics.readiness({"chain": {"at": time.time()}}) is None
    assert "not seen" in judge_metrics.readiness(Watch()) and judge_metrics.readiness(watch()) is None


def test_numbers_are_tokens_and_counts():
    found = samples(worker_metrics.collect(FACTS))
    assert found["swarm_worker_earned_tokens_total"][0].value == 3
    assert {each.labels["outcome"]: each.value for each in found["swarm_worker_jobs_total"]} == {
        "settled": 2,
        "slashed": 1,
    }
    assert {each.labels["reason"]: each.value for each in found["swarm_worker_paused"]} == {"manual": 1, "schedule": 1}


@pytest.mark.parametrize("rule", re.split(r"\n      - alert: ", (OPS / "prometheus" / "alerts.yaml").read_text())[1:])
def test_every_alert_says_what_to_do(rule):
    assert "severity:" in rule and "summary:" in rule and re.search(r"description: \".{20,}\"", rule)


def test_panels_do_not_overlap_and_have_names():
    panels = json.loads((OPS / "grafana" / "computeswarm.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"] and place["x"] + place["w"] <= 24 and not taken & cells
        taken |= cells
