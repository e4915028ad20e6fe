# SPDX-License-Identifier: Apache-2.0
"""The runner of the invariant tests: nothing that did not run may pass for a success."""

import json

from scripts import invariants

CAMPAIGN = {"Invariant": {"runs": 256, "calls": 128_000, "reverts": 0, "metrics": {}}}


def outcome(**changes) -> dict:
    return {"status": "Success", "reason": None, "counterexample": None, "kind": CAMPAIGN, "duration": "1s"} | changes


def test_a_whole_campaign_has_no_fault():
    assert invariants._faults("books", outcome(), 256, 128_000) == []


def test_a_campaign_that_stopped_early_is_a_fault():
    short = {"Invariant": CAMPAIGN["Invariant"] | {"calls": 127_999}}
    assert invariants._faults("books", outcome(kind=short), 256, 128_000)
    assert invariants._faults("books", outcome(kind={"Fuzz": {"runs": 255}}), 256, 128_000)


def test_a_failure_names_its_calls():
    sequence = {"Sequence": [9, [{"func_name": "deposit", "raw_args": "1, 2"}]]}
    failed = outcome(status="Failure", reason="1: solvency", counterexample=sequence)
    assert invariants._faults("books", failed, 256, 128_000) == ["books: 1: solvency\n    deposit(1, 2)"]


def test_a_skipped_test_is_a_fault():
    assert invariants._faults("books", outcome(status="Skipped"), 256, 128_000)


def test_events_and_empty_suites_are_no_results():
    lines = [{"event": "failure"}, {"a.t.sol:A": {"test_results": {}}, "b.t.sol:B": {"test_results": {"t": 1}}}]
    assert invariants._results("No files changed\n" + "\n".join(map(json.dumps, lines))) == {"b.t.sol:B": {"t": 1}}


def test_every_suite_of_the_folder_must_be_played(tmp_path):
    folder = tmp_path / invariants.SUITES
    folder.mkdir(parents=True)
    assert invariants._missing(tmp_path, {}) == ["there is no suite"]
    (folder / "A.t.sol").write_text("contract A {}\n\ncontract B {}\n")
    assert invariants._missing(tmp_path, {"tests/invariants/A.t.sol:A": {}}) == ["B was not played"]


def test_a_deed_that_never_happened_is_a_fault(tmp_path):
    suites = {"a.t.sol:A": {"invariant_books()": outcome()}}
    assert invariants._idle(suites, tmp_path) == ["no campaign counted its deeds"]
    (tmp_path / "A").write_text("settle 0\nrefund 2\nsettle 0\n")
    assert invariants._idle(suites, tmp_path) == ["A: 'settle' never happened"]
    (tmp_path / "A").write_text("settle 0\nsettle 3\n")
    assert invariants._idle(suites, tmp_path) == []
