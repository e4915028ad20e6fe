# SPDX-License-Identifier: Apache-2.0
"""The present state of every job, folded from the events of its life: the escrow itself keeps only its hash."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from eth_abi import encode
from eth_utils import keccak

from swarm.protocol.types import Job, JobStatus, Terms

_JOB = "(bytes32,address,uint8,bool,uint16,uint40,uint40,uint96,address,uint96,uint96,uint16,uint32,bytes32,bytes32)"
_TERMS = "(bytes32,bytes32,uint96,uint96,uint24,uint16,uint16,uint24,uint24,uint24,uint16,uint8,uint8,uint16,address)"
_NOBODY = {"seller": "0x" + "0" * 40, "price": 0, "collateral": 0, "audit_bps": 0}


def job_hash(job: Job) -> bytes:
    """keccak256(abi.encode(job)), what the escrow stores."""
    return keccak(encode([_JOB], [job.state()]))


def terms_hash(terms: Terms) -> bytes:
    return keccak(encode([_TERMS], [terms.values()]))


class Ledger:
    """Jobs, and the bonds that the escrow holds for their open cases."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self.bonds: dict[int, int] = defaultdict(int)

    def copy(self) -> Ledger:
        other = Ledger()
        other.jobs, other.bonds = dict(self.jobs), self.bonds.copy()
        return other

    def see(self, events: list[tuple[str, dict]]) -> set[int]:
        """Folds the events of one receipt; returns the jobs they changed."""
        changed = set()
        for name, event in events:
            if name == "JobPosted":
                self.jobs[event["jobId"]] = _posted(event)
            elif name in _FOLDS:
                job = self.jobs[event["jobId"]]
                self.jobs[event["jobId"]] = replace(job, **_FOLDS[name](job, event))
            else:
                self._see_bond(name, event)
                continue
            changed.add(event["jobId"])
        return changed

    def _see_bond(self, name: str, event: dict) -> None:
        if name in ("Challenged", "Appealed"):
            self.bonds[event["jobId"]] += event["bond"]
        elif name == "Executed":
            self.bonds.pop(event["jobId"], None)


def _posted(event: dict) -> Job:
    terms = Terms.from_values(event["terms"])
    return Job(
        job_id=event["jobId"],
        terms=terms,
        terms_hash=terms_hash(terms),
        buyer=event["buyer"],
        status=JobStatus.OPEN,
        audited=False,
        segments=terms.segments,
        open_until=event["openUntil"],
        deadline=event["openUntil"],
        held=event["held"],
    )


def _aborted(job: Job, event: dict) -> dict:
    if event["reopened"]:
        return {"status": JobStatus.OPEN, "deadline": job.open_until} | _NOBODY
    return {"status": JobStatus.REFUNDED, "held": 0}


_FOLDS = {
    "JobCancelled": lambda job, event: {"status": JobStatus.REFUNDED, "held": 0},
    "JobAccepted": lambda job, event: {
        "status": JobStatus.RUNNING,
        "seller": event["seller"],
        "price": event["price"],
        "collateral": event["collateral"],
        "audit_bps": event["auditBps"],
        "deadline": event["deadline"],
    },
    "JobAborted": _aborted,
    "JobRefunded": lambda job, event: {"status": JobStatus.REFUNDED, "held": 0},
    "JobHandedBack": lambda job, event: {"segments": event["segments"], "price": event["price"], "held": event["held"]},
    "JobSubmitted": lambda job, event: {
        "status": JobStatus.SUBMITTED,
        "deadline": event["deadline"],
        "epoch": event["epoch"],
        "result_cid": event["resultCid"],
        "segment_root": event["segmentRoot"],
    },
    "AuditOpened": lambda job, event: {"status": JobStatus.UNDER_AUDIT},
    "JobChallenged": lambda job, event: {"status": JobStatus.CHALLENGED},
    "JobRuled": lambda job, event: {
        "status": JobStatus(event["status"]),
        "audited": event["audited"],
        "held": event["held"],
        "deadline": event["deadline"],
    },
    "JobSettled": lambda job, event: {"status": JobStatus.SETTLED, "held": 0},
}
