# SPDX-License-Identifier: Apache-2.0
"""`swarm sweep` as people meet it: refusals with their exit codes first, then what a journal shows without a chain."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from swarm.buyer.sweep import plan
from swarm.cli.main import command
from swarm.errors import SwarmError
from tests.unit.buyer.sweep.test_controller import ASHA, Place
from tests.unit.workloads.sweep.conftest import SWEEP


@pytest.fixture
def finished(tmp_path):
    """A sweep that came to its end: (its place, its id, a function that calls `swarm sweep …` in its home)."""
    place = Place(tmp_path, early_terminate=ASHA)
    book = place.book()
    controller = place.controller(book)
    assert isinstance(place.play(controller), plan.Finish)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(command, ["sweep", *arguments, "--home", str(tmp_path / "home")])
        found = result.exception.exit_code if isinstance(result.exception, SwarmError) else result.exit_code
        assert found == code, result.output + str(result.exception)
        return result.stdout if code == 0 else str(result.exception)

    return place, book.folder.name, call


def swarm(tmp_path, *arguments: str) -> tuple[int, str]:
    environment = os.environ | {"SWARM_HOME": str(tmp_path / "home"), "SWARM_NETWORK": str(tmp_path / "none.json")}
    command = [sys.executable, "-m", "swarm.cli.main", "sweep", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr


def test_refuses_a_bad_sweep_with_code_4_before_anything_is_asked(tmp_path):
    (tmp_path / "sweep.yaml").write_text(json.dumps(SWEEP | {"parameters": {"training.lr": {"value": 1}}}))
    code, error = swarm(tmp_path, "run", str(tmp_path / "sweep.yaml"))
    assert code == 4 and "did you mean training.learning_rate?" in error and len(error.splitlines()) == 1


def test_refuses_what_is_not_there_with_code_3(tmp_path, finished):
    assert swarm(tmp_path, "run", str(tmp_path / "none.yaml"))[0] == 3
    _, _, call = finished
    for verb in ("top", "show", "best", "export", "report", "resume"):
        assert "no sweep 's-none' here" in call(verb, "s-none", code=3)


def test_refuses_an_amount_that_is_none(tmp_path, finished):
    _, sweep, call = finished
    assert "not an amount" in call("resume", sweep, "--add-budget", "-3", code=2)


def test_lists_and_shows(finished):
    _, sweep, call = finished
    (entry,) = json.loads(call("list", "--json"))
    assert entry["sweep"] == sweep and entry["state"] == "finish: 9 run(s)" and entry["runs_begun"] == "9 of 9"
    shown = json.loads(call("show", sweep, "--json"))
    assert "each trial is a segment" in shown["trials_as"]
    assert shown["jobs"].count("settled") == len(shown["jobs"].split())
    assert float(shown["spent_tok"]) < float(shown["max_total_tok"])


def test_top_shows_the_best_first(finished):
    _, sweep, call = finished
    table = json.loads(call("top", sweep, "--json"))
    assert len(table) == 9 and [row["rank"] for row in table] == list(range(1, 10))
    farthest = [row["eval_loss"] for row in table if row["steps"] == 27]
    assert farthest == sorted(farthest) and table[0]["steps"] == 27
    text = call("top", sweep, "--limit", "2")
    assert "learning rate" in text and len(text.splitlines()) == 3


def test_best_is_a_spec_ready_to_post(tmp_path, finished):
    from swarm.workloads.spec import load_spec

    _, sweep, call = finished
    best = json.loads(call("best", sweep, "--json"))
    (tmp_path / "best.yaml").write_text(call("best", sweep, "--yaml"))
    spec = load_spec(tmp_path / "best.yaml")
    assert spec.training.learning_rate == best["learning_rate"] and spec.base_model.startswith("ipfs://")


def test_exports_and_reports(tmp_path, finished):
    _, sweep, call = finished
    call("export", sweep, "--csv", str(tmp_path / "runs.csv"), "--json-file", str(tmp_path / "runs.json"))
    table = list(csv.DictReader((tmp_path / "runs.csv").open()))
    assert [row["run"] for row in table] == [row["run"] for row in json.loads((tmp_path / "runs.json").read_text())]
    assert call("export", sweep) == (tmp_path / "runs.csv").read_text()
    call("report", sweep, "-o", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and "http" not in page and page.count("<svg") == 2


def test_a_raised_budget_keeps_what_a_run_may_cost(finished):
    from decimal import Decimal

    place, sweep, _ = finished
    from swarm.buyer.sweep.book import SweepBook

    book = SweepBook.open(place.root / "home" / "sweeps", sweep)
    before = book.header.sweep
    book.add_budget(Decimal(10))
    after = book.header.sweep
    assert after.budget.max_total == before.budget.max_total + 10 and after.per_run == before.per_run
    book.reopen()
    assert book.end is None
