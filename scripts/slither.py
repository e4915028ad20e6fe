#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Analyses the contracts with Slither: every finding must stand in docs/slither.md, every line there must be found.

Needs Slither's environment and forge: `python3 scripts/test.py slither` sets both up.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRIAGE = ROOT / "docs" / "slither.md"
REPORT = ROOT / "build" / "slither" / "report.json"
ROW = re.compile(r"^\| `([\w-]+)` \| `([\w.*-]+)` \| (.*) \|$", re.M)

Finding = tuple[str, str]  # detector, Contract.function


def main() -> None:
    report = analyse()
    found = findings(report)
    faults = compare(found, accepted(TRIAGE.read_text()))
    if faults:
        sys.exit("\n".join(f"error: {fault}" for fault in faults))
    print(f"  {sum(map(len, found.values()))} findings, each accepted with a reason in docs/slither.md")


def analyse() -> dict:
    """Slither's report as JSON. Ends the program when it could not compile or had nothing to look at."""
    from scripts import environment

    shutil.rmtree(REPORT.parent, ignore_errors=True)
    REPORT.parent.mkdir(parents=True)
    # Slither cleans forge's folders before it compiles: it gets its own.
    folders = {"FOUNDRY_OUT": "build/slither/out", "FOUNDRY_CACHE_PATH": "build/slither/cache"}
    env = environment.forge_env() | folders
    command = [str(environment.SLITHER_VENV / "bin" / "slither"), ".", "--fail-none", "--json", str(REPORT)]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    analysed = re.search(r"analyzed \((\d+) contracts with (\d+) detectors\)", result.stderr + result.stdout)
    if result.returncode or not REPORT.exists() or analysed is None or "0" in analysed.groups():
        sys.exit(f"error: Slither failed: {(result.stdout + result.stderr).strip()[-4000:]}")
    print(f"  {analysed[1]} contracts, {analysed[2]} detectors")
    return json.loads(REPORT.read_text())


def findings(report: dict) -> dict[Finding, list[str]]:
    """What was found, with its descriptions, by detector and the function it is in."""
    assert report["success"], report["error"]
    found: dict[Finding, list[str]] = {}
    for entry in report["results"].get("detectors", []):
        found.setdefault((entry["check"], _place(entry["elements"][0])), []).append(entry["description"].strip())
    return found


def _place(element: dict) -> str:
    names = []
    while element:
        if element["type"] in ("contract", "function"):
            names.append(element["name"])
        element = element.get("type_specific_fields", {}).get("parent", {})
    return ".".join(reversed(names)) or "-"


def accepted(text: str) -> dict[Finding, str]:
    """The triage table: the reason by detector and function; `*` stands for every function."""
    rows = {(detector, place): reason.strip() for detector, place, reason in ROW.findall(text)}
    assert len(rows) == len(ROW.findall(text)), "docs/slither.md has a line twice"
    return rows


def compare(found: dict[Finding, list[str]], rows: dict[Finding, str]) -> list[str]:
    """What must change, one text each: a finding nobody explained, a line that explains nothing, an empty reason."""
    listed = {finding: finding if finding in rows else (finding[0], "*") for finding in found}
    faults = [
        f"not in docs/slither.md: | `{detector}` | `{place}` |\n{found[detector, place][0]}"
        for (detector, place), row in sorted(listed.items())
        if row not in rows
    ]
    stale = sorted(rows.keys() - set(listed.values()))
    faults += [f"docs/slither.md explains what is no longer found: {detector} in {place}" for detector, place in stale]
    faults += [
        f"docs/slither.md gives no reason for {row[0]} in {row[1]}" for row, reason in rows.items() if not reason
    ]
    return faults


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
