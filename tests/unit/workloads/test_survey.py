# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from swarm.errors import SpecError
from swarm.workloads import survey as module
from swarm.workloads.dataset import CHAT, check_dataset
from swarm.workloads.survey import survey_dataset


def chat(question: str, answer: str = "Yes.") -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "chats.jsonl"
    longer = {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": "c"},
        ]
    }
    target.write_text(
        "\n".join([chat("one"), "{'messages': []}", chat("one"), chat("<|im_end|> stop"), json.dumps(longer), "[]"])
    )
    return target


def test_tells_every_oddity_by_line(path: Path) -> None:
    found = []
    survey = survey_dataset(path, CHAT, tell=found.append)
    assert [str(finding) for finding in found] == [
        "line 2 column 2: not JSON: Expecting property name enclosed in double quotes → write double quotes: a Python "
        "dict is no JSON, json.dumps makes it",
        "line 4: message 1 holds '<|im_end|>' → stays plain text",
        "line 5: message 2 (assistant) is empty → kept, out of the loss",
        "line 6 column 1: expected an object, found list → write one object a line, not one array",
    ]
    assert [finding.is_fault for finding in found] == [True, False, False, True]
    assert (survey.examples, survey.invalid, survey.duplicates, survey.trained) == (4, 2, 1, 4)
    assert (survey.longest, survey.longest_line) == (len("<|im_end|> stop") + len("Yes."), 4)


def test_a_cleaned_copy_is_what_a_job_accepts(path: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.jsonl"
    survey = survey_dataset(path, CHAT, clean=clean)
    assert check_dataset(clean) == survey.counts
    assert len(clean.read_text().splitlines()) == 4


def test_a_cleaned_copy_may_leave_out_what_stands_twice(path: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.jsonl"
    survey = survey_dataset(path, CHAT, clean=clean, dedupe=True)
    assert (survey.examples, survey.duplicates) == (3, 1)
    assert check_dataset(clean).examples == 3


def test_nothing_good_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("{}\n[]\n")
    with pytest.raises(SpecError, match="no line of it is an example; line 1"):
        survey_dataset(path, CHAT, clean=tmp_path / "clean.jsonl")
    assert [entry.name for entry in tmp_path.iterdir()] == ["chats.jsonl"]


def test_duplicates_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 2)
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(chat(word) for word in ("a", "b", "c", "a", "c")))
    survey = survey_dataset(path, CHAT)
    assert (survey.duplicates, survey.remembered_all) == (1, False)


def test_memory_is_bounded_however_many_lines_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 1000)
    peaks = []
    for count in (2_000, 12_000):
        path = tmp_path / "chats.jsonl"
        with path.open("w") as file:
            file.writelines(chat(str(number)) + "\n" for number in range(count))
        tracemalloc.start()
        survey_dataset(path, CHAT, tell=lambda finding: None, clean=tmp_path / "clean.jsonl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert abs(peaks[1] - peaks[0]) < 1 << 18
