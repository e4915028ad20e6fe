# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from swarm.errors import SpecError, UsageError
from swarm.workloads.overrides import Overrides


@pytest.mark.parametrize(
    "text", ["lora_r", "=3", "a..b=1", "a.b-c=1", "a=[1", "a='", "a=" + "x" * 5000, "a=" + "[" * 50]
)
def test_refuses_what_sets_nothing(text: str) -> None:
    with pytest.raises(UsageError):
        Overrides.parse([text], [])


@pytest.mark.parametrize("text", ["1A=x", "A B=x", "MISSING"])
def test_refuses_a_variable_that_is_none(text: str) -> None:
    with pytest.raises(UsageError):
        Overrides.parse([], [text], {"HOME": "/x"})


@pytest.mark.parametrize("key", ["name.x", "datasets.3.path", "datasets.x"])
def test_refuses_a_key_that_has_no_place(key: str) -> None:
    with pytest.raises(SpecError, match="found nothing to set it in"):
        Overrides.parse([f"{key}=1"], []).apply({"name": "a", "datasets": [{}]})


def test_the_environment_is_not_read_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    with pytest.raises(
        SpecError, match=r"labels\.x: found \$\{HF_TOKEN\}, expected it to be given .--env HF_TOKEN=VALUE"
    ):
        Overrides().apply({"labels": {"x": "${HF_TOKEN}"}})


def test_sets_values_as_yaml_reads_them_and_leaves_the_original_alone() -> None:
    original = {"training": {"lora_r": 8}, "datasets": [{"path": "file:a"}]}
    sets = ["training.lora_r=16", "training.learning_rate=2e-4", "datasets.0.path=file:b", "budget.max_total='3'"]
    assert Overrides.parse(sets, []).apply(original) == {
        "training": {"lora_r": 16, "learning_rate": 2e-4},
        "datasets": [{"path": "file:b"}],
        "budget": {"max_total": "3"},
    }
    assert original["training"] == {"lora_r": 8}


def test_fills_in_what_was_given() -> None:
    overrides = Overrides.parse([], ["DATA=chats", "HOME"], {"HOME": "/x", "OTHER": "y"})
    assert overrides.apply({"a": ["file:${HOME}/${DATA}.jsonl", 3]}) == {"a": ["file:/x/chats.jsonl", 3]}


def test_a_value_cannot_name_another_variable() -> None:
    assert Overrides(variables={"A": "${B}", "B": "x"}).apply({"a": "${A}"}) == {"a": "${B}"}
