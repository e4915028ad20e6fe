# SPDX-License-Identifier: Apache-2.0
"""What travels: trials with ids that follow from their parameters, and the metrics they publish."""

from __future__ import annotations

import copy

import pytest

from swarm.errors import IntegrityError, SpecError
from swarm.workloads.lora.spec import Training
from swarm.workloads.registry import workload_of
from swarm.workloads.spec import canonical_json, parse_resolved, parse_spec
from swarm.workloads.sweep.metrics import METRICS_FILE, Metrics
from swarm.workloads.sweep.trial import normal, trial_id
from tests.unit.workloads.sweep.conftest import CID

TRAINING = {"max_steps": 27, "steps_per_segment": 27, "seed": 7}


def trial(parameters: dict, **changes) -> dict:
    return {"id": trial_id(parameters, 7), "training": parameters, "last_step": 27} | changes


def written(*trials: dict) -> dict:
    inputs = {"base_model": CID, "datasets": [{"path": CID}], "validation": CID}
    rest = {"type": "trials", "name": "t", "budget": {"max_total": 1}, "training": TRAINING}
    return rest | inputs | {"trials": list(trials)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "0" * 16}, "does not follow from the parameters"),
        ({"id": "zz"}, "16 hexadecimal digits"),
        ({"last_step": 28}, "expected within 27"),
        ({"first_step": 9}, "a start state exactly where"),
        ({"start": CID}, "a start state exactly where"),
        ({"first_step": 20, "last_step": 9, "start": CID}, "expected within 27"),
        ({"training": {"lora_r": 8.0}}, "not in its canonical form"),
        ({"training": {"lora_r": 0}}, "lora_r: found 0"),
        ({"training": {"lora_rr": 4}}, "lora_rr: unknown key, did you mean lora_r?"),
        ({"training": {"threads": 4}}, "threads cannot differ"),
    ],
)
def test_refuses_a_trial(changes, expected):
    with pytest.raises(SpecError, match=expected.replace("?", r"\?")):
        parse_spec(written(trial({"lora_r": 4}) | changes))


def test_refuses_a_trial_twice_and_none_at_all():
    with pytest.raises(SpecError, match="every trial once"):
        parse_spec(written(trial({"lora_r": 4}), trial({"lora_r": 4})))
    with pytest.raises(SpecError, match="trials"):
        parse_spec(written())


def test_refuses_another_class_than_exact():
    with pytest.raises(SpecError, match="verification"):
        parse_spec(written(trial({"lora_r": 4})) | {"verification": "tolerance"})


def test_is_one_segment_a_trial_and_names_every_start_state():
    parameters = {"learning_rate": 1e-3}
    spec = parse_spec(written(trial({"lora_r": 4}), trial(parameters, first_step=9, start=CID)))
    assert spec.segments == 2 and not spec.is_chained and spec.is_resolved
    assert [need.name for need in spec.needs][3:] == [f"start-{trial_id(parameters, 7)}"]
    assert parse_resolved(canonical_json(spec)) == spec
    assert workload_of(spec).delivered(spec) == range(2)


def test_ids_are_golden_and_tell_parameters_apart():
    assert trial_id({"lora_r": 4}, 7) == "bbecbe56878af65c"
    assert trial_id({"lora_r": 4}, 8) != trial_id({"lora_r": 4}, 7) != trial_id({"lora_r": 8}, 7)
    assert trial_id({"b": 1, "a": 2}, 7) == trial_id({"a": 2, "b": 1}, 7)


def test_parameters_are_written_in_the_templates_types():
    template = Training(**TRAINING)
    assert normal(template, {"lora_r": 8.0, "learning_rate": 1}) == {"learning_rate": 1.0, "lora_r": 8}
    with pytest.raises(ValueError, match="lora_r"):
        normal(template, {"lora_r": 8.5})


FOUND = Metrics("a" * 16, 27, 1.25, 66, 1.5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        FOUND.to_bytes() + b" ",
        FOUND.to_bytes().replace(b"1.25", b"NaN"),
        FOUND.to_bytes().replace(b"1.25", b"true"),
        FOUND.to_bytes().replace(b"1.25", b"1e999"),
        FOUND.to_bytes().replace(b'"version":1', b'"version":2'),
        FOUND.to_bytes().replace(b"27", b'"27"'),
        b"[" * 100_000,
    ],
)
def test_refuses_metrics_that_are_not_in_their_form(data):
    with pytest.raises(IntegrityError, match=METRICS_FILE):
        Metrics.parse(data)


def test_metrics_are_read_as_they_were_written():
    assert Metrics.parse(FOUND.to_bytes()) == FOUND
    failed = Metrics("a" * 16, 3, None, 0, None, "the loss is nan at step 3")
    assert Metrics.parse(failed.to_bytes()) == failed
    assert FOUND.value("eval_loss") == 1.25 and FOUND.value("accuracy") is None


def test_delivers_results_and_the_states_of_trials_that_have_one(tmp_path):
    import json

    spec = parse_spec(written(trial({"lora_r": 4}), trial({"lora_r": 2})))
    outputs = [tmp_path / "0", tmp_path / "1"]
    failed = Metrics(spec.trials[1].id, 1, None, 0, None, "the loss is nan at step 1")
    found = (Metrics(spec.trials[0].id, 27, 1.5, 9, 1.5), failed)
    for output, metrics in zip(outputs, found, strict=True):
        output.mkdir()
        (output / METRICS_FILE).write_bytes(metrics.to_bytes())
    workload_of(spec).deliver(spec, outputs, tmp_path / "out", base_model=None)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([spec.trials[0].id, "results.json"])
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [(row["eval_loss"], row["parameters"]) for row in rows] == [(1.5, {"lora_r": 4}), (None, {"lora_r": 2})]


def test_assess_never_raises_for_what_a_seller_wrote(tmp_path):
    spec = parse_spec(written(trial({"lora_r": 4})))
    for name, content in (("theirs", b"rubbish"), ("ours", FOUND.to_bytes())):
        (tmp_path / name).mkdir()
        (tmp_path / name / METRICS_FILE).write_bytes(content)
    sides = {"before": None, "theirs": tmp_path / "theirs", "ours": tmp_path / "ours"}
    found = workload_of(spec).assess(spec, 0, **copy.copy(sides))
    assert found.zone == "escalate" and found.facts["eval_loss_claimed"] is None
    assert workload_of(spec).assess(spec, 0, **(sides | {"theirs": tmp_path / "ours"})).zone == "accept"
