# SPDX-License-Identifier: Apache-2.0
"""What a judge has learned outlives it, and never more than it can use."""

from __future__ import annotations

import pytest

from verifier.memory import KEPT, KEYS, Memory


def test_what_was_learned_is_there_after_a_restart(tmp_path):
    Memory(tmp_path / "learned.json").learn("key", {"gradient": 0.5})
    Memory(tmp_path / "learned.json").learn("key", {"gradient": 0.25})
    again = Memory(tmp_path / "learned.json")
    assert again.recall("key") == [{"gradient": 0.5}, {"gradient": 0.25}]
    assert again.recall("other") == []


def test_the_oldest_are_forgotten(tmp_path):
    memory = Memory(tmp_path / "learned.json")
    for number in range(KEPT + 3):
        memory.learn("key", {"gradient": float(number)})
    assert [entry["gradient"] for entry in memory.recall("key")] == [float(at) for at in range(3, KEPT + 3)]


def test_of_too_many_keys_the_one_that_was_not_used_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("verifier.memory.KEYS", 2)
    memory = Memory(tmp_path / "learned.json")
    for key in ("first", "second", "first", "third"):
        memory.learn(key, {"gradient": 1.0})
    assert [len(memory.recall(key)) for key in ("first", "second", "third")] == [2, 0, 1] and KEYS > 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_learned(tmp_path, value):
    memory = Memory(tmp_path / "learned.json")
    memory.learn("key", {"gradient": value})
    assert memory.recall("key") == []


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_a_broken_file_is_forgotten(tmp_path, content):
    (tmp_path / "learned.json").write_text(content)
    memory = Memory(tmp_path / "learned.json")
    assert memory.recall("key") == []
    memory.learn("key", {"gradient": 1.0})
    assert memory.recall("key") == [{"gradient": 1.0}]
