#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts known faults into copies of the contracts, one at a time, and tells which of them the tests notice.

The faults stand in tests/mutation/faults.py. Each copy is compiled and played by the invariant tests (few runs); if it
is still alive, the Brownie tests the fault names are run. `python3 scripts/test.py invariants contracts` sets that up.
Results are kept in build/mutation as long as contracts and tests stay the same: an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from scripts import environment, invariants  # noqa: E402
from tests.mutation.faults import FAULTS, Fault  # noqa: E402

COPIED = ("contracts", "swarm", "scripts", "tests/contracts", "tests/invariants", "foundry.toml", "brownie-config.yaml")
LINKED = ("tools", ".venv", ".venv-contracts")
FOLDER = ROOT / "build" / "mutation"
RUNS = 24  # of each campaign: a fault that hides longer is left to Brownie
PORT = 18_545  # of the first worker's chain; the usual port stays free
TIMEOUT = 1_800  # seconds: a copy that hangs is noticed


class Refused(Exception):
    """The list or the tests cannot be used as they are; the message is one line that says why."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="FAULT", help="default: all")
    parser.add_argument("--jobs", type=int, default=2, help="copies tested at the same time; default: 2")
    parser.add_argument("--forge-only", action="store_true", help="do not ask Brownie about what forge left alive")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--list", action="store_true", help="print the faults and stop")
    options = parser.parse_args()
    wanted = [fault for fault in FAULTS if not options.names or fault.name in options.names]
    try:
        if unknown := set(options.names) - {fault.name for fault in FAULTS}:
            raise Refused(f"no such fault: {', '.join(sorted(unknown))}")
        for fault in FAULTS:
            check(fault, (ROOT / fault.file).read_text())
        if options.list:
            print("\n".join(f"{fault.name:36} {fault.kind:10} {fault.file}" for fault in wanted))
            return
        results = Run(options.jobs, forge_only=options.forge_only, fresh=options.fresh).play(wanted)
    except (Refused, environment.SetupFailed) as error:
        sys.exit(f"error: {error}")
    report(wanted, results)


def check(fault: Fault, text: str) -> None:
    """Raises Refused unless the fault can be put into the source at exactly one place."""
    if (count := text.count(fault.old)) != 1:
        raise Refused(f"{fault.name}: its text stands {count} times in {fault.file}, not once")
    if fault.old == fault.new:
        raise Refused(f"{fault.name} changes nothing")


def report(wanted: list[Fault], results: dict[str, dict]) -> None:
    """Prints the table; ends with an error when a fault is alive or does not compile."""
    for fault in wanted:
        result = results[fault.name]
        print(f"{fault.name:36} {fault.kind:10} {result['end']:9} {result['seconds']:5.0f} s  {result['by'][:90]}")
    alive = [fault.name for fault in wanted if results[fault.name]["end"] != "killed"]
    print(f"{len(wanted) - len(alive)} of {len(wanted)} faults noticed")
    if alive:
        sys.exit(f"not killed: {', '.join(alive)}")


class Run:
    """One pass over the list. Its copies live in a temporary folder, its results in build/mutation/results.json."""

    def __init__(self, jobs: int, *, forge_only: bool, fresh: bool) -> None:
        self._jobs, self._forge_only = jobs, forge_only
        self._file = FOLDER / "results.json"
        self._lock = threading.Lock()
        self._sources = _digest()
        stored = {} if fresh or not self._file.exists() else json.loads(self._file.read_text())
        self._results: dict[str, dict] = {key: row for key, row in stored.items() if row["sources"] == self._sources}

    def play(self, wanted: list[Fault]) -> dict[str, dict]:
        """The result of each fault by name: end (killed, survived, invalid), by what, seconds."""
        todo = [fault for fault in wanted if self._key(fault) not in self._results]
        if todo:
            with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
                self._play(todo, Path(folder))
        return {fault.name: self._results[self._key(fault)] for fault in wanted}

    def _play(self, todo: list[Fault], folder: Path) -> None:
        base = folder / "base"
        _copy(base)
        ports: SimpleQueue[int] = SimpleQueue()
        for worker in range(self._jobs):
            ports.put(PORT + worker)
        everything = any(not fault.tests for fault in todo)
        files = () if everything else tuple(sorted({file for fault in todo for file in fault.tests}))
        self._prove_alive(base, files, ports)

        def work(fault: Fault) -> None:
            port = ports.get()
            try:
                self._keep(fault, self._judge(fault, base, folder / fault.name, port))
            finally:
                ports.put(port)

        with ThreadPoolExecutor(self._jobs) as pool:
            list(pool.map(work, todo))

    def _prove_alive(self, base: Path, files: tuple[str, ...], ports: SimpleQueue[int]) -> None:
        """Without a fault everything must pass, or every fault would seem to be noticed."""
        key = "without a fault" + ("" if self._forge_only else ": " + " ".join(files))
        seen = key in self._results
        if not _compiles(base):
            raise Refused("the contracts do not compile")
        if seen:
            return
        start, port = time.monotonic(), ports.get()
        by = _noticed_by(base, None if self._forge_only else files, port)
        ports.put(port)
        if by:
            raise Refused(f"the tests fail without any fault: {by}")
        with self._lock:
            self._results[key] = {"sources": self._sources, "seconds": time.monotonic() - start}
            self._write()

    def _judge(self, fault: Fault, base: Path, copy: Path, port: int) -> dict:
        start = time.monotonic()
        shutil.copytree(base, copy, symlinks=True)
        try:
            source = copy / fault.file
            source.write_text(source.read_text().replace(fault.old, fault.new))
            if _compiles(copy):
                by = _noticed_by(copy, None if self._forge_only else fault.tests, port)
                end = "killed" if by else "survived"
            else:
                by, end = "does not compile", "invalid"
        finally:
            shutil.rmtree(copy, ignore_errors=True)
        return {"end": end, "by": by, "seconds": time.monotonic() - start}

    def _keep(self, fault: Fault, result: dict) -> None:
        facts = {"name": fault.name, "kind": fault.kind, "file": fault.file, "sources": self._sources}
        print(f"  {result['end']:9} {fault.name}: {result['by'][:100]}", file=sys.stderr, flush=True)
        with self._lock:
            self._results[self._key(fault)] = facts | result
            self._write()

    def _write(self) -> None:
        """Beside what other runs stored, those of earlier sources too: a run of one fault must not lose the others."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        stored = json.loads(self._file.read_text()) if self._file.exists() else {}
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(stored | self._results, indent=1) + "\n")
        fresh.replace(self._file)  # whoever is killed while writing leaves the old file

    def _key(self, fault: Fault) -> str:
        stage = "forge" if self._forge_only else "all"
        text = "\0".join((stage, fault.file, fault.old, fault.new, *fault.tests))
        return f"{fault.name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _compiles(copy: Path) -> bool:
    return (
        subprocess.run(["forge", "build"], cwd=copy, env=environment.forge_env(), capture_output=True).returncode == 0
    )


def _noticed_by(copy: Path, files: tuple[str, ...] | None, port: int) -> str:
    """What failed first, in one line; empty when everything passed. Brownie is not asked where `files` is None."""
    faults = invariants.play(copy, runs=RUNS, shrink=False, say=lambda line: None)
    if faults:
        if faults[0].startswith(invariants.NOTHING_RAN):
            raise Refused(faults[0])
        return "forge: " + faults[0].splitlines()[0]
    return "" if files is None else _brownie(copy, files, port)


def _brownie(copy: Path, files: tuple[str, ...], port: int) -> str:
    """Runs these Brownie tests, or all, on a chain of their own port; what failed first, or nothing."""
    command, env = environment.brownie_test(
        ["-x", "-q", "--no-header", "-p", "no:cacheprovider"], root=copy, tests=files
    )
    env |= {"HOME": str(_brownie_home(copy, port))}
    try:
        result = subprocess.run(command, cwd=copy, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"brownie: nothing after {TIMEOUT} s"
    lines = result.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if result.returncode == 0 and any(" passed" in line for line in lines):
        return ""
    if result.returncode == 1 and failed:
        return "brownie: " + failed[0].removeprefix("FAILED ").removeprefix("ERROR ")
    raise Refused(f"Brownie did not run ({result.returncode}): {(result.stdout + result.stderr).strip()[-1000:]}")


def _brownie_home(copy: Path, port: int) -> Path:
    """A home of its own, whose development network listens on another port than everybody's."""
    home = copy / "home"
    settings = home / ".brownie" / "network-config.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    shipped = next((environment.CONTRACTS_VENV / "lib").glob("python*/site-packages/brownie/data/network-config.yaml"))
    settings.write_text(shipped.read_text().replace("port: 8545", f"port: {port}"))
    return home


def _copy(base: Path) -> None:
    """What the tests need of this tree; installed packages are linked."""
    for name in COPIED:
        source, target = ROOT / name, base / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    (base / "tests" / "__init__.py").touch()
    for name in LINKED:
        (base / name).symlink_to(ROOT / name)


def _digest() -> str:
    hasher = hashlib.sha256(str(RUNS).encode())
    for name in COPIED:
        source = ROOT / name
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            if path.is_file() and "__pycache__" not in path.parts:
                hasher.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return hasher.hexdigest()


if __name__ == "__main__":
    main()
