# SPDX-License-Identifier: Apache-2.0
"""Containers in the detection table: a program whose outputs repeat, compared byte by byte, and what a cheat publishes.

A segment is a whole run, with a seed of its own. The seller's runs and the judge's are real containers; a cheat changes
what the seller would have committed to. Without an engine there are no rows.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from swarm.errors import SwarmError  # noqa: E402
from swarm.execution.inputs import Inputs  # noqa: E402
from swarm.execution.segments import Product, Sandbox, execute, opening_of  # noqa: E402
from swarm.protocol.commitment import opened_leaf  # noqa: E402
from swarm.protocol.types import JobId  # noqa: E402
from swarm.runtime import engine as engines  # noqa: E402
from swarm.runtime.base_image import find_base  # noqa: E402
from swarm.runtime.docker import DockerRunner  # noqa: E402
from swarm.storage.fake import FakeStore  # noqa: E402
from swarm.workloads.fields import Spec  # noqa: E402
from swarm.workloads.spec import parse_spec  # noqa: E402
from verifier.evidence import leaf_evidence  # noqa: E402

SEGMENTS, QUICK_SEGMENTS = 50, 3
JOB = JobId(1)
# A thousand pseudo-random numbers, their sum printed: what is printed is the hidden trace.
PROGRAM = """
import pathlib, random, sys
numbers = random.Random(int(sys.argv[1]))
lines = [f"{numbers.random():.17g}" for _ in range(1000)]
print(sum(map(float, lines)))
out = pathlib.Path("/outputs/table"); out.mkdir()
(out / "numbers.txt").write_text("\\n".join(lines) + "\\n")
(pathlib.Path("/outputs") / "mean.txt").write_text(f"{sum(map(float, lines)) / 1000:.17g}\\n")
"""
Change = Callable[[Path, Path, Path], None]


def _drop_half(output: Path, trace: Path, neighbour: Path) -> None:
    path = output / "files" / "table" / "numbers.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:500]))


def _one_digit(output: Path, trace: Path, neighbour: Path) -> None:
    path = output / "files" / "mean.txt"
    path.write_text(path.read_text()[:-2] + "0\n")


def _without_file(output: Path, trace: Path, neighbour: Path) -> None:
    (output / "files" / "mean.txt").unlink()


def _with_file(output: Path, trace: Path, neighbour: Path) -> None:
    (output / "files" / "extra.txt").write_text("x")


def _renamed(output: Path, trace: Path, neighbour: Path) -> None:
    (output / "files" / "mean.txt").rename(output / "files" / "table" / "mean.txt")


def _copied(output: Path, trace: Path, neighbour: Path) -> None:
    shutil.rmtree(output)
    shutil.copytree(neighbour, output)


def _empty(output: Path, trace: Path, neighbour: Path) -> None:
    shutil.rmtree(output / "files")


def _forged_trace(output: Path, trace: Path, neighbour: Path) -> None:
    trace.write_bytes(bytes(32))


# name, share of the work saved, what is published instead
CHEATS: list[tuple[str, float, Change]] = [
    ("half of the table", 0.5, _drop_half),
    ("one digit changed", 0.0, _one_digit),
    ("a file left out", 0.0, _without_file),
    ("a file too many", 0.0, _with_file),
    ("a file in another place", 0.0, _renamed),
    ("copied neighbour's result", 1.0, _copied),
    ("nothing computed", 1.0, _empty),
    ("right result, forged trace", 0.0, _forged_trace),
]


def rows(quick: bool) -> list[dict]:
    """The table's rows; none where no engine answers."""
    try:
        DockerRunner().check()
        image = find_base(engines.connect(), None, lambda line: None)
    except SwarmError:
        return []
    with tempfile.TemporaryDirectory(prefix="swarm-containers-") as scratch:
        return list(_rows(image, Path(scratch), QUICK_SEGMENTS if quick else SEGMENTS))


def _rows(image: str, home: Path, segments: int):
    store = FakeStore()
    sellers = [_run(image, seed, home / "seller" / str(seed)) for seed in range(segments)]
    judges = [_run(image, seed, home / "judge" / str(seed)) for seed in range(segments)]
    honest = [_leaf(store, product) for product in sellers]
    found = [_leaf(store, product) for product in judges]
    yield _row("run again", "honest", 0.0, honest, found)
    for name, saved, change in CHEATS:
        claims = []
        for at, product in enumerate(sellers):
            copy = home / "claim" / str(at)
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(product.output, copy / "output")
            shutil.copyfile(product.trace, copy / "trace.bin")
            change(copy / "output", copy / "trace.bin", sellers[at - 1].output)
            claims.append(_leaf(store, Product(0, copy / "output", copy / "trace.bin")))
        yield _row(name, "cheat", saved, claims, found)


def _row(name: str, kind: str, saved: float, claims: list, found: list) -> dict:
    different = sum(claim != own for claim, own in zip(claims, found, strict=True))
    facts = {"workload": "container", "name": name, "kind": kind, "saves_work": saved, "segments": len(claims)}
    # In the exact class another leaf is a denial, and a committee that finds the same one convicts.
    size = len(json.dumps(_evidence(claims[0], found[0])))
    # A judge runs what the seller ran, once: starting a container is most of it for a program as short as this.
    return facts | {"detected": different, "slashed": different, "judge_share": "1.00/n", "evidence_bytes": size}


def _evidence(claim: bytes, found: bytes) -> dict:
    job, sandbox = SimpleNamespace(job_id=JOB, spec_cid=bytes(32)), Sandbox(DockerRunner(), owner="")
    spec = _spec("sha256:" + "0" * 64, 0)
    return leaf_evidence(job, 0, claim, found, "", sandbox, spec, {"different": "", "files": 0})


def _leaf(store: FakeStore, product: Product) -> bytes:
    return opened_leaf(JOB, 0, opening_of(store, product))


def _run(image: str, seed: int, workspace: Path) -> Product:
    sandbox = Sandbox(DockerRunner(), owner="detection-container", memory_bytes=256 << 20)
    workspace.mkdir(parents=True)
    options = {"first": 0, "last": 1, "state": None, "workspace": workspace, "wall_seconds": 60}
    return execute(sandbox, _spec(image, seed), Inputs({}), **options).products[0]


def _spec(image: str, seed: int) -> Spec:
    return parse_spec(
        {
            "version": 1,
            "type": "container",
            "name": "numbers",
            "image": image,
            "entrypoint": ["python3", "-c", PROGRAM],
            "args": [str(seed)],
            "determinism": "exact",
            "budget": {"max_total": 1},
        }
    )


if __name__ == "__main__":
    print(json.dumps(rows("--quick" in sys.argv), indent=1))
