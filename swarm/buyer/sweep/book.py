# SPDX-License-Identifier: Apache-2.0
"""A sweep's journal: one SQLite file a sweep, written before every deed that must not be repeated."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from swarm.buyer.sweep.ledger import Fate, Found, Ledger, Posting, Run, Task
from swarm.buyer.sweep.proposals import Known, Proposal
from swarm.errors import NotFound
from swarm.journal import Journal
from swarm.workloads.sweep.metrics import Metrics
from swarm.workloads.sweep.program import Reported
from swarm.workloads.sweep.search import Sweep

_SWEEP, _RUN, _POSTING, _END = "sweep", "run", "posting", "end"


@dataclass(frozen=True, slots=True)
class Header:
    """What is fixed when a sweep begins. URIs are ipfs://; `first_job`: no job of the sweep has a lower number."""

    sweep_id: str
    sweep: Sweep
    engine: str
    base_model: str
    dataset: str
    validation: str
    evaluate_apart: bool
    reason: str  # why trials are segments or jobs, in words
    first_job: int
    fee_min: int
    facts: dict[str, Any]
    piece_steps: int = 0


class SweepBook:
    """Opens, or with `header` begins, the journal of one sweep."""

    def __init__(self, folder: Path, sweep_id: str) -> None:
        self.folder = folder / sweep_id
        self._journal = Journal(self.folder / "journal.sqlite")

    @classmethod
    def begin(cls, folder: Path, header: Header) -> SweepBook:
        book = cls(folder, header.sweep_id)
        content = {field.name: getattr(header, field.name) for field in dataclasses.fields(header)}
        book._journal.put(_SWEEP, "main", content | {"sweep": header.sweep.model_dump(mode="json")})
        return book

    @classmethod
    def open(cls, folder: Path, sweep_id: str) -> SweepBook:
        """Raises NotFound for a sweep this home does not know."""
        if not (folder / sweep_id / "journal.sqlite").is_file():
            raise NotFound(f"no sweep {sweep_id!r} here", hint="swarm sweep list shows them")
        return cls(folder, sweep_id)

    @property
    def header(self) -> Header:
        content = self._journal.get(_SWEEP, "main")
        if content is None:
            raise NotFound("the sweep was never begun", hint="swarm sweep run")
        return Header(**(content | {"sweep": Sweep.model_validate(content["sweep"])}))

    def add_budget(self, tokens: Decimal) -> None:
        """Raises the hard cap by so many tokens."""
        content = self._journal.get(_SWEEP, "main") or {}
        budget = content["sweep"]["budget"]
        # What a run may cost was set from the cap where it was not said: it stays what it was.
        budget["max_per_run"] = str(budget["max_per_run"] or self.header.sweep.per_run.normalize())
        budget["max_total"] = str(Decimal(budget["max_total"]) + tokens)
        self._journal.put(_SWEEP, "main", content)

    def runs(self) -> list[Run]:
        return [Run(int(key), row["id"], row["parameters"], row["max_steps"]) for key, row in self._journal.items(_RUN)]

    def add_runs(self, proposals: Sequence[Proposal]) -> None:
        number = len(self._journal.items(_RUN))
        for at, proposal in enumerate(proposals, number):
            self._journal.put(_RUN, _key(at), asdict(proposal))

    def postings(self) -> list[Posting]:
        return [_posting(row) for _, row in self._journal.items(_POSTING)]

    def write(self, posting: Posting) -> None:
        self._journal.put(_POSTING, _key(posting.number), json.loads(json.dumps(asdict(posting))))

    def ledger(self) -> Ledger:
        header = self.header
        sweep = header.sweep
        policy = None if header.evaluate_apart else sweep.early_terminate
        forgiven = (self._journal.get(_SWEEP, "forgiven") or {"postings": 0})["postings"]
        fixed = (policy, header.evaluate_apart, sweep.max_attempts, header.piece_steps, forgiven)
        return Ledger(self.runs(), self.postings(), *fixed)

    def known(self, ledger: Ledger) -> list[Known]:
        """The runs as a sampler is told of them: by the loss at the farthest rung of each."""
        raws = {row["id"]: row["raw"] for _, row in self._journal.items(_RUN)}
        metric = self.header.sweep.metric
        found = []
        for run in ledger.runs:
            done = ledger.outcomes[run.id]
            losses = [metric.score(at.found.metrics) for at in done]
            losses = [loss for loss in losses if loss is not None]
            failed = ledger.failure(run) is not None
            found.append(Known(run.id, raws[run.id], losses[-1] if losses else None, failed))
        return found

    @property
    def end(self) -> dict | None:
        """How it ended: {"kind": finish | stop, "reason"}; None while it goes on."""
        return self._journal.get(_END, "main")

    def write_end(self, kind: str, reason: str) -> None:
        self._journal.put(_END, "main", {"kind": kind, "reason": reason})

    def reopen(self) -> None:
        """A resumed sweep goes on: what failed before it stopped is no longer counted."""
        if self.end is not None:
            self._journal.put(_SWEEP, "forgiven", {"postings": len(self.postings())})
        self._journal.delete(_END, "main")

    def close(self) -> None:
        self._journal.close()


def fated(posting: Posting, fate: Fate, **changes: Any) -> Posting:
    """The posting with what became of it."""
    return replace(posting, fate=fate, **changes)


def _key(number: int) -> str:
    return f"{number:08}"


def _metrics(row: dict | None) -> Metrics | Reported | None:
    if row is None:
        return None
    return Reported(**row) if "values" in row else Metrics(**row)


def _posting(row: dict) -> Posting:
    found = tuple(Found(entry["output_cid"], _metrics(entry["metrics"])) for entry in row["found"])
    tasks = tuple(Task(**task) for task in row["tasks"])
    return Posting(**(row | {"tasks": tasks, "found": found, "fate": Fate(row["fate"])}))
