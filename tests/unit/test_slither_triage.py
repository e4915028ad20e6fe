# SPDX-License-Identifier: Apache-2.0
"""The triage of Slither's findings: a finding without a reason and a reason without a finding both fail."""

from scripts import slither

HEAD = "| detector | where | why |\n|---|---|---|\n"


def report(*entries: tuple[str, dict]) -> dict:
    detectors = [{"check": check, "elements": [element], "description": "found"} for check, element in entries]
    return {"success": True, "results": {"detectors": detectors}}


def function(name: str, contract: str) -> dict:
    parent = {"type": "contract", "name": contract}
    return {"type": "function", "name": name, "type_specific_fields": {"parent": parent}}


def test_a_finding_is_named_by_contract_and_function():
    variable = {"type": "variable", "name": "x", "type_specific_fields": {"parent": function("pay", "Till")}}
    found = slither.findings(report(("a", function("pay", "Till")), ("b", variable), ("a", function("pay", "Till"))))
    assert {row: len(texts) for row, texts in found.items()} == {("a", "Till.pay"): 2, ("b", "Till.pay"): 1}


def test_a_finding_without_a_line_is_a_fault():
    found = slither.findings(report(("a", function("pay", "Till"))))
    assert slither.compare(found, slither.accepted(HEAD + "| `a` | `Till.pay` | Known. |\n")) == []
    assert "not in docs/slither.md" in slither.compare(found, slither.accepted(HEAD))[0]


def test_a_star_accepts_one_detector_everywhere():
    found = slither.findings(report(("a", function("pay", "Till")), ("b", function("pay", "Till"))))
    faults = slither.compare(found, slither.accepted(HEAD + "| `a` | `*` | Known. |\n"))
    assert len(faults) == 1 and "`b`" in faults[0]


def test_a_line_nothing_matches_is_a_fault():
    """Also what fails when Slither looked at nothing at all."""
    rows = slither.accepted(HEAD + "| `a` | `Till.pay` | Known. |\n| `a` | `*` | Known. |\n")
    assert len(slither.compare({}, rows)) == 2


def test_a_line_without_a_reason_is_a_fault():
    found = slither.findings(report(("a", function("pay", "Till"))))
    assert "no reason" in slither.compare(found, slither.accepted(HEAD + "| `a` | `Till.pay` |  |\n"))[0]


def test_the_committed_table_has_reasons():
    rows = slither.accepted(slither.TRIAGE.read_text())
    assert rows and all(rows.values())
