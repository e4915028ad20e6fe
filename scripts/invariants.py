#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the contracts' invariant tests with forge, and fails unless all of it ran: every suite, run and deed.

Needs forge and Node on PATH: `python3 scripts/test.py invariants` sets both up. Further arguments go to forge,
for instance: python3 scripts/test.py invariants -- --match-contract StakeVault
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUITES = "tests/invariants"
COUNTS = "build/forge/counts"
NOTHING_RAN = "forge ran no test"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the tree to test; default: this one")
    parser.add_argument("--runs", type=int, help="runs a campaign; fewer than usual do not ask for every deed")
    options, extra = parser.parse_known_args()
    faults = play(options.root.resolve(), runs=options.runs, extra=extra)
    if faults:
        sys.exit("\n".join(f"error: {fault}" for fault in faults))


def play(
    root: Path,
    *,
    runs: int | None = None,
    extra: list[str] | None = None,
    shrink: bool = True,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Runs forge in `root` and says what each campaign did. Returns what is wrong, one text each; none is good."""
    counts = root / COUNTS
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir(parents=True)
    config = json.loads(_forge(root, ["config", "--json"]).stdout)
    usual = config["invariant"]["runs"]
    runs = runs or usual
    settings = {"FOUNDRY_INVARIANT_RUNS": str(runs), "FOUNDRY_FUZZ_RUNS": str(runs)}
    if not shrink:
        settings["FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT"] = "0"
    result = _forge(root, ["test", "--json", *(extra or [])], settings)
    suites = _results(result.stdout)
    if not suites:
        return [f"{NOTHING_RAN}: {(result.stdout + result.stderr).strip()[-4000:]}"]
    faults = [
        fault
        for suite, tests in suites.items()
        for name, test in tests.items()
        for fault in _faults(f"{suite.split(':')[-1]}.{name}", test, runs, runs * config["invariant"]["depth"], say)
    ]
    if not extra:
        faults += _missing(root, suites)
    if runs >= usual and not faults:
        faults += _idle(suites, counts, say)
    if result.returncode and not faults:
        faults.append(f"forge failed: {result.stderr.strip()[-2000:]}")
    return faults


def _forge(
    root: Path, arguments: list[str], settings: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    from scripts import environment

    env = environment.forge_env() | (settings or {})
    return subprocess.run(["forge", *arguments], cwd=root, env=env, capture_output=True, text=True)


def _results(stdout: str) -> dict[str, dict]:
    """Tests by suite. Forge writes its events, one a line, before the one object with all results."""
    suites: dict[str, dict] = {}
    for line in stdout.splitlines():
        if not line.startswith("{"):
            continue
        entry = json.loads(line)
        if "event" not in entry:
            suites |= {suite: found["test_results"] for suite, found in entry.items() if found["test_results"]}
    return suites


def _faults(name: str, test: dict, runs: int, calls: int, say: Callable[[str], None] = print) -> list[str]:
    """What is wrong with one test. A campaign that stopped early or never began is wrong too."""
    if test["status"] != "Success":
        return [f"{name}: {test['reason']}{_sequence(test)}"]
    kind, facts = next(iter(test["kind"].items()))
    done = facts.get("runs", 1)
    say(f"  {name}: {done} runs, {facts.get('calls', done)} calls, {test['duration']}")
    if kind == "Invariant" and (facts["runs"], facts["calls"]) != (runs, calls):
        return [f"{name}: {facts['runs']} runs and {facts['calls']} calls, not {runs} and {calls}"]
    if kind == "Fuzz" and facts["runs"] < runs:
        return [f"{name}: {facts['runs']} runs, not {runs}"]
    return []


def _sequence(test: dict) -> str:
    example = test.get("counterexample") or {}
    calls = example.get("Sequence", [0, []])[1]
    return "".join(f"\n    {call['func_name']}({call['raw_args']})" for call in calls)


def _missing(root: Path, suites: dict[str, dict]) -> list[str]:
    """Every test contract in the folder must have been played, with at least one invariant or test."""
    played = {suite.split(":")[-1] for suite in suites}
    files = sorted((root / SUITES).glob("*.t.sol"))
    meant = {name for file in files for name in re.findall(r"^contract (\w+)", file.read_text(), re.M)}
    return [f"{name} was not played" for name in sorted(meant - played)] or ([] if meant else ["there is no suite"])


def _idle(suites: dict[str, dict], counts: Path, say: Callable[[str], None] = print) -> list[str]:
    """What a handler meant to do and never did in a whole campaign: an invariant over it would say nothing."""
    faults = []
    files = sorted(counts.iterdir())
    for file in files:
        total: Counter[str] = Counter()
        for line in file.read_text().splitlines():
            deed, number = line.rsplit(" ", 1)
            total[deed] += int(number)
        say(f"  {file.name}: " + ", ".join(f"{deed} {number}" for deed, number in total.items()))
        faults += [f"{file.name}: {deed!r} never happened" for deed, number in total.items() if number == 0]
    campaigns = sum("Invariant" in next(iter(test["kind"])) for tests in suites.values() for test in tests.values())
    return faults if files or not campaigns else ["no campaign counted its deeds"]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
