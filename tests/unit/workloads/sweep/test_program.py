# SPDX-License-Identifier: Apache-2.0
"""Trials of a program: refusals, how parameters reach it, and what a hostile metrics file comes to."""

from __future__ import annotations

import json

import pytest

from swarm.errors import IntegrityError, SpecError
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.sweep.program import METRICS_FILE, file_of, reported, trial_mapping
from swarm.workloads.sweep.search import Sweep, parse_sweep
from tests.unit.workloads.sweep.conftest import CID, PROGRAM, PROGRAM_SWEEP

END = b'{"exit_code": 0}'


def sweep(tmp_path, **changes) -> Sweep:
    return parse_sweep(PROGRAM_SWEEP | changes, base=tmp_path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"parameters": {"x y": {"value": 1}}}, "parameters.x y: expected a name of letters"),
        ({"parameters": {"env.1": {"value": 1}}}, "parameters.env.1: expected env.NAME"),
        ({"parameters": {"env.PATH": {"value": 1}}}, "parameters.env.PATH: env"),
        ({"parameters": {"env.MODE": {"value": 1}}}, "env.MODE: stands in the template's env too"),
        ({"parameters": {"layers": {"values": [[1, 2]]}}}, "layers: found '[1, 2]', expected text, a number"),
        ({"parameters": {"words": {"values": ["x\0y"]}}}, "1 to 4096 characters without NUL"),
        ({"early_terminate": {"min_iter": 1}}, "early_terminate.max_iter: missing"),
        ({"metric": {"name": ""}}, "metric.name"),
        ({"program": PROGRAM | {"image": "python:3.11"}}, "template.image: found 'python:3.11', expected an image"),
        ({"program": PROGRAM | {"type": "inference"}}, "template.model: missing"),
        ({"program": 3}, "template: expected the name"),
    ],
)
def test_refuses_what_no_program_can_be_given(tmp_path, changes, expected):
    with pytest.raises(SpecError) as caught:
        sweep(tmp_path, **changes)
    assert expected in caught.value.message and len(caught.value.message.splitlines()) == 1


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--fast"], ["--fast", "--lr=0.1", "--mode=big"]),
        (["${args}", "--fast"], ["--lr=0.1", "--mode=big", "--fast"]),
        (["${args_no_hyphens}"], ["lr=0.1", "mode=big"]),
        (["--json", "${args_json}"], ["--json", '{"lr": 0.1, "mode": "big"}']),
        (["--file", "${args_json_file}"], ["--file", "/inputs/parameters.json"]),
    ],
)
def test_parameters_reach_a_program_as_wandb_gives_them(args, expected):
    program = ContainerSpec.model_validate(PROGRAM | {"name": "x", "budget": {"max_total": 1}, "args": args})
    parameters = {"lr": 0.1, "mode": "big", "env.SEED": 3}
    mapping = trial_mapping(program, parameters, file_uri=CID, steps=(3, 9), start=CID)
    spec = ContainerSpec.model_validate(mapping)
    assert list(spec.args) == expected
    assert spec.env == {"MODE": "quick", "SEED": "3", "TRIAL_FIRST_STEP": "3", "TRIAL_LAST_STEP": "9"}
    assert [entry.target for entry in spec.inputs] == ["/inputs/parameters.json", "/inputs/trial"]
    assert json.loads(file_of(parameters)) == parameters


def test_a_sweep_of_a_program_survives_the_journal(tmp_path):
    found = sweep(tmp_path, early_terminate={"min_iter": 1, "max_iter": 9})
    assert Sweep.model_validate(json.loads(json.dumps(found.model_dump(mode="json")))) == found
    assert found.program and found.trial_steps == 9


@pytest.mark.parametrize(
    ("metrics", "problem"),
    [
        (None, f"the program left no {METRICS_FILE}"),
        (b"", "expected JSON"),
        (b"\xff", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"[1]", "expected an object"),
        (b'{"acc": "1"}', "acc: expected a finite number"),
        (b'{"acc": true}', "acc: expected a finite number"),
        (b'{"acc": NaN}', "acc: expected a finite number"),
        (b'{"acc": 1e999}', "acc: expected a finite number"),
        (b'{"acc": ' + b"9" * 400 + b"}", "acc: expected a finite number"),
        (b'{"acc": ' + b"9" * 5000 + b"}", "expected JSON"),
        (b'{"acc": 1, "step": 3}', "step: found 3, expected 9"),
        (json.dumps({str(at): at for at in range(2000)}).encode(), "at most 1000 keys"),
    ],
)
def test_whatever_is_no_metric_is_a_trial_that_failed(metrics, problem):
    found = reported("t", 9, "acc", end=END, metrics=metrics)
    assert found.failure and problem in found.failure and found.value("acc") is None


def test_a_program_that_fails_failed_whatever_it_left():
    found = reported("t", 9, "acc", end=b'{"exit_code": 3}', metrics=b'{"acc": 1}')
    assert found.failure == "the program ended with exit code 3" and not found.values


@pytest.mark.parametrize("end", [b"", b"{}", b"[]", b'{"exit_code": "0"}', b'{"exit_code": true}'])
def test_an_end_that_our_programs_do_not_write_is_nothing_to_decide_by(end):
    with pytest.raises(IntegrityError):
        reported("t", 9, "acc", end=end, metrics=b'{"acc": 1}')


def test_finite_numbers_are_kept_and_the_better_one_scores_lower(tmp_path):
    metrics = b'{"acc": 0.5, "step": 9, "note": "x", "inner": {"a": 1}, "loss": 2}'
    found = reported("t", 9, "acc", end=END, metrics=metrics)
    assert found.values == {"acc": 0.5, "step": 9.0, "loss": 2.0} and found.failure is None
    metric = sweep(tmp_path).metric
    assert metric.score(found) == -0.5
    assert metric.score(reported("t", 9, "acc", end=b'{"exit_code": 1}', metrics=None)) is None
