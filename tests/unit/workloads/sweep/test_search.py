# SPDX-License-Identifier: Apache-2.0
"""The sweep a person writes: refusals first, then what it means."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from swarm.errors import NotFound, SpecError
from swarm.workloads.sweep.search import load_sweep, parse_sweep


def refusal(written: dict, tmp_path, **changes) -> str:
    with pytest.raises(SpecError) as caught:
        parse_sweep(written | changes, base=tmp_path)
    assert len(caught.value.message.splitlines()) == 1
    return caught.value.message


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"training.learning_rat": {"value": 1}}, "did you mean training.learning_rate?"),
        ({"learning_rat": {"value": 1e-4}}, "did you mean training.learning_rate?"),
        ({"lora_r": {"value": 2}, "training.lora_r": {"value": 2}}, "found a key with and without training."),
        ({"lora_r": {"values": [8, 1000]}}, "lora_r: found 1000"),
        ({"training.lr": {"value": 1e-4}}, "did you mean training.learning_rate?"),
        ({"training.num_epochs": {"values": [1, 0]}}, "num_epochs: found 0, expected a number above 0"),
        ({"num_epochs": {"value": 2}, "max_steps": {"value": 9}}, "num_epochs: found it and training.max_steps"),
        ({"training.threads": {"values": [1, 2]}}, "cannot differ between trials"),
        ({"base_model": {"values": ["a", "b"]}}, "unknown key, expected a key of the template's training"),
        ({"training.lora_r": {"valuess": [1]}}, "unknown key"),
        ({"training.lora_r": {"values": []}}, "parameters.training.lora_r.values"),
        ({"training.lora_r": {"values": [8, 1000]}}, "lora_r: found 1000"),
        ({"training.learning_rate": {"min": 0.1, "max": 3.0}}, "learning_rate: found 3.0"),
        ({"training.learning_rate": {"min": 0.1, "max": 0.1}}, "expected more than min"),
        ({"training.learning_rate": {"distribution": "log_uniform", "min": 1, "max": 2}}, "mean log_uniform_values?"),
        ({"training.learning_rate": {"distribution": "gauss", "min": 1, "max": 2}}, "expected one of: uniform"),
        ({"training.learning_rate": {"distribution": "log_uniform_values", "min": 0, "max": 1}}, "more than 0"),
        ({"training.learning_rate": {"distribution": "uniform", "min": 0.1, "max": 0.2, "q": 0.1}}, "q: expected"),
        ({"training.learning_rate": {"min": True, "max": 0.2}}, "a number"),
        ({"training.learning_rate": 1e-4}, "expected value, values, or min and max"),
        ({"training.lora_dropout": {"min": 0.0, "max": 0.2}}, "training.lora_dropout"),
        ({}, "nothing to search over"),
    ],
)
def test_refuses_parameters(written, tmp_path, parameters, expected):
    assert expected in refusal(written, tmp_path, parameters=parameters)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metod": "grid"}, "metod: unknown key, did you mean method?"),
        ({"method": "genetic"}, "method: found 'genetic'"),
        ({"run_cap": 0}, "run_cap: found 0"),
        ({"parallel": 5000}, "parallel: found 5000"),
        ({"metric": {"name": "accuracy"}}, "metric.name"),
        ({"metric": {"name": "eval_loss", "goal": "maximize"}}, "is a loss"),
        ({"budget": {}}, "budget.max_total: missing"),
        ({"budget": {"max_total": 1, "max_per_run": 2}}, "more than budget.max_total"),
        ({"early_terminate": {"type": "asha"}}, "early_terminate.min_iter: missing"),
        ({"early_terminate": {"type": "envelope", "min_iter": 1}}, "early_terminate.type"),
        ({"early_terminate": {"min_iter": 3, "eta": 1}}, "early_terminate.eta"),
        ({"early_terminate": {"min_iter": 3, "max_iter": 9}}, "a training's own steps are its length"),
        ({"program": {"image": "x"}}, "program: found it and template"),
        ({"method": "grid"}, "method grid needs values, or a step q"),
        ({"groups": [{"training.lora_r": 2}]}, "groups.training.lora_r: stands in parameters too"),
        ({"groups": [{"training.seed": 2}, {"training.warmup_steps": 2}]}, "every group must set the same keys"),
        ({"template": 3}, "template: expected the name"),
        ({"template": {"type": "lora"}}, "template.base_model: missing"),
        ({"template": {"type": "loraa"}}, "template.type: found 'loraa'"),
        ({"template": {"type": "inference"}}, "template.model: missing"),
        ({"type": "lora"}, "type: expected sweep"),
    ],
)
def test_refuses_a_sweep(written, tmp_path, changes, expected):
    assert expected in refusal(written, tmp_path, **changes)


def test_refuses_a_template_that_is_not_there(written, tmp_path):
    with pytest.raises(NotFound):
        parse_sweep(written | {"template": "lora.yaml"}, base=tmp_path)


def test_reads_a_file_with_a_template_beside_it(written, tmp_path):
    (tmp_path / "lora.yaml").write_text(json.dumps(written.pop("template")))
    (tmp_path / "sweep.yaml").write_text(json.dumps(written | {"template": "lora.yaml"}))
    sweep = load_sweep(tmp_path / "sweep.yaml")
    assert sweep.template.training.max_steps == 27
    assert list(sweep.space) == ["learning_rate", "lora_r"]


def test_keys_of_the_training_may_stand_alone(written, tmp_path):
    alone = {name.removeprefix("training."): entry for name, entry in written["parameters"].items()}
    groups = [{"lora_alpha": 8}, {"training.lora_alpha": 16}]
    sweep = parse_sweep(written | {"parameters": alone, "groups": groups}, base=tmp_path)
    assert set(sweep.parameters) == set(written["parameters"])
    assert sweep.bundles == ({"lora_alpha": 8}, {"lora_alpha": 16})


def test_survives_the_journal(written, tmp_path):
    written |= {"groups": [{"training.seed": 1}, {"training.seed": 2}], "early_terminate": {"min_iter": 3}}
    sweep = parse_sweep(written, base=tmp_path)
    assert type(sweep).model_validate(json.loads(json.dumps(sweep.model_dump(mode="json")))) == sweep


def test_a_grid_is_every_combination_with_every_group(written, tmp_path):
    parameters = {"training.lora_r": {"values": [2, 4]}, "training.warmup_steps": {"min": 0, "max": 2}}
    groups = [{"training.lora_alpha": 8}, {"training.lora_alpha": 16}]
    sweep = parse_sweep(written | {"method": "grid", "parameters": parameters, "groups": groups}, base=tmp_path)
    assert len(sweep.grid()) == 2 * 3 * 2
    assert sweep.grid()[1] == {"lora_r": 2, "warmup_steps": 1, "lora_alpha": 8}


def test_a_run_may_cost_its_part_of_the_whole_where_nothing_is_said(written, tmp_path):
    assert parse_sweep(written | {"budget": {"max_total": 18}}, base=tmp_path).per_run == Decimal(2)


@pytest.mark.parametrize(
    ("content", "drawn", "expected"),
    [
        ({"distribution": "q_uniform", "min": 0.1, "max": 0.5, "q": 0.1}, 0.311, 0.3),
        ({"distribution": "q_uniform", "min": 2, "max": 9, "q": 3}, 8.9, 8.0),
        ({"distribution": "q_log_uniform_values", "min": 0.001, "max": 0.1, "q": 0.001}, 0.01234, 0.012),
        ({"min": 1, "max": 5}, 3.0, 3),
        ({"min": 1.0, "max": 5}, 3.3, 3.3),
        ({"distribution": "uniform", "min": 1, "max": 5}, 3, 3.0),
    ],
)
def test_distributions_round_what_is_drawn(content, drawn, expected):
    from swarm.workloads.sweep.distributions import distribution_of

    found = distribution_of("training.x", content).rounded(drawn)
    assert (found, type(found)) == (expected, type(expected))
