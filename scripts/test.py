#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets up its own environments and runs the tests: all of them, or the suites that are named.

structure    rules of the repository
unit         Python without a chain
slither      static analysis of the contracts
invariants   random calls to the contracts (forge)
contracts    every call of the contracts (Brownie)
integration  programs, stores and containers together

Further arguments after `--` go to the runner, for instance: python3 scripts/test.py unit -- -k commitment
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

SUITES = ("structure", "unit", "slither", "invariants", "contracts", "integration")
OF_CONTRACTS = ("contracts", "slither", "invariants")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}; default: all")
    ours, theirs = _split(sys.argv[1:])
    wanted = parser.parse_args(ours).suites or list(SUITES)
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        parser.error(f"unknown suite {unknown[0]!r}; one of: {', '.join(SUITES)}")
    from scripts import environment

    os.chdir(environment.ROOT)
    before = _free_gigabytes()
    try:
        # Downloads and image builds wait for others most of the time: the tests that need none of them run meanwhile,
        # what looks at the contracts beside all others, since they too wait for their chain half of the time.
        with ThreadPoolExecutor(5) as pool:
            later = [pool.submit(slow) for slow in _set_up(environment, wanted)]
            lanes = (
                [name for name in OF_CONTRACTS if name in wanted],
                [name for name in wanted if name not in OF_CONTRACTS],
            )
            play = partial(_play, environment, later=later, extra=theirs, hold=len(wanted) > 1)
            failed = [name for lane in list(pool.map(play, lanes)) for name in lane]
    except environment.SetupFailed as error:
        sys.exit(f"error: {error}")
    # The environments take about 7 GB, the tests up to 2 more while they run: a full disk fails them in many ways.
    print(f"free disk: {before:.1f} GB before, {_free_gigabytes():.1f} GB now", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _free_gigabytes() -> float:
    """Where the tests keep their files."""
    return shutil.disk_usage(tempfile.gettempdir()).free / 1e9


def _play(environment, lane: list[str], *, later: list[Future], extra: list[str], hold: bool) -> list[str]:
    """Runs suites one after the other; returns those that failed. Raises SetupFailed when a slow step did."""
    failed = []
    for name in lane:
        if name == "integration":
            for step in later:
                step.result()
        if not _run(environment, name, extra=extra, hold=hold):
            failed.append(name)
    return failed


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _set_up(environment, wanted: list[str]) -> list[Callable[[], None]]:
    """Sets up what is quick; returns the slow steps that only the integration tests need."""
    environment.ensure_packages()
    environment.ensure_node_packages("chain")
    if {"contracts", "invariants", "slither", "structure"} & set(wanted):
        environment.ensure_node_packages("contracts")
    if {"invariants", "slither"} & set(wanted):
        environment.ensure_node_packages("forge")
    if "slither" in wanted:
        environment.ensure_slither()
    if "contracts" in wanted:
        environment.ensure_contract_packages()
    if "integration" not in wanted:
        return []
    ipfs = partial(environment.ensure_node_packages, "ipfs")
    return [ipfs, environment.ensure_go_peer, environment.ensure_model, environment.ensure_job_image]


def _run(environment, suite: str, *, extra: list[str], hold: bool = False) -> bool:
    """Runs one suite; what it prints is held back to its end where another one runs beside it."""
    start = time.monotonic()
    if suite == "contracts":
        command, env = environment.brownie_test(extra)
    elif suite == "invariants":
        command, env = environment.forge_test(extra)
    elif suite == "slither":
        command, env = [environment.python(), "scripts/slither.py", *extra], environment.node_env()
    else:
        # What plays on a chain waits for blocks most of the time: other files run meanwhile.
        beside = ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"] if suite == "integration" else []
        beside += ["--durations=15"] if suite == "integration" else []
        command = [environment.python(), "-m", "pytest", f"tests/{suite}", "-q", *beside, *extra]
        env = environment.node_env()
    title = f"\n== {suite}\n"
    if not hold:
        print(title, end="", flush=True)
    held = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if hold else {}
    done = subprocess.run(command, env=env, **held)
    said = f"{title}{done.stdout.decode(errors='replace')}" if hold else ""
    word = "ok" if done.returncode == 0 else f"failed ({done.returncode})"
    print(f"{said}== {suite}: {word} in {time.monotonic() - start:.0f} s", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
