# SPDX-License-Identifier: Apache-2.0
"""The list of faults: each fits the contracts as they stand today at one place, and names who should notice."""

import json
from pathlib import Path

import pytest

from scripts import mutate
from tests.mutation.faults import FAULTS, KINDS, Fault

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_the_source(fault):
    mutate.check(fault, (ROOT / fault.file).read_text())
    assert fault.kind in KINDS
    assert all((ROOT / "tests" / "contracts" / name).is_file() for name in fault.tests)


def test_names_are_unique():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_kind_of_fault_is_tried():
    assert {fault.kind for fault in FAULTS} == set(KINDS)


@pytest.mark.parametrize("text", ["", "a += 1; a += 1;"])
def test_a_text_that_is_not_there_once_is_refused(text):
    with pytest.raises(mutate.Refused, match="not once"):
        mutate.check(Fault("x", "guard", "X.sol", "a += 1;", "", ()), text)


def test_a_fault_that_changes_nothing_is_refused():
    with pytest.raises(mutate.Refused, match="changes nothing"):
        mutate.check(Fault("x", "guard", "X.sol", "a;", "a;", ()), "a;")


def test_a_run_keeps_what_other_runs_stored_and_believes_only_its_own_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(mutate, "FOLDER", tmp_path)
    (tmp_path / "results.json").write_text(json.dumps({"old": {"sources": "others", "end": "killed"}}))
    fault = Fault("x", "guard", "X.sol", "a;", "b;", ())
    mutate.Run(1, forge_only=True, fresh=False)._keep(fault, {"end": "survived", "by": "", "seconds": 1.0})

    stored = json.loads((tmp_path / "results.json").read_text())
    again = mutate.Run(1, forge_only=True, fresh=False)
    assert len(stored) == 2 and again._results.keys() == stored.keys() - {"old"}
    assert again.play([fault])["x"]["end"] == "survived"
