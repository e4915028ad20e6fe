# SPDX-License-Identifier: Apache-2.0
"""A market in memory: an escrow that holds jobs, and a seller whose trials take no time. Results are real: published
directories with manifests whose roots are committed, so the controller checks them as it would on chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from safetensors.numpy import save_file

from swarm.execution.inputs import read_spec
from swarm.execution.results import publish
from swarm.execution.segments import Product
from swarm.protocol.commitment import TRACE_RECORD
from swarm.protocol.types import ZERO_DIGEST, Address, Amount, Job, JobId, JobStatus, Terms
from swarm.storage.fake import FakeStore
from swarm.workloads.lora.initial import ADAPTER_FILE, OPTIMIZER_FILE
from swarm.workloads.result import FOREIGN_END, FOREIGN_FILES
from swarm.workloads.sweep.metrics import METRICS_FILE, Metrics

BUYER = Address("0x" + "b" * 40)
SELLER = Address("0x" + "5" * 40)


@dataclass
class FakeMarket:
    """`chain` is what a controller is given. `loss(training, steps)`: what a trial shows; None: it diverges."""

    store: FakeStore
    folder: Path
    loss: Callable[[dict, int], float | None]
    jobs: list[Job] = field(default_factory=list)
    log: list[tuple[str, int, dict, bytes]] = field(default_factory=list)
    transfers: list[dict] = field(default_factory=list)
    time: int = 1000
    is_pending: bool = False

    @property
    def chain(self) -> SimpleNamespace:
        client = SimpleNamespace(
            now=lambda: self.time,
            rpc=lambda method, address, at: hex(1 if self.is_pending and at == "pending" else 0),
            contract=lambda name, address: None,
            logs=lambda contract, event, **filters: self.transfers,
        )
        network = SimpleNamespace(escrow="escrow", token="token", deployment_block=0)
        token = SimpleNamespace(approval=lambda account, spender, amount: None)
        return SimpleNamespace(client=client, network=network, token=token, escrow=self)

    # the escrow

    def job(self, job_id: int) -> Job:
        return self.jobs[job_id - 1]

    def job_count(self) -> int:
        return len(self.jobs)

    def post(self, account, terms: Terms, *, after: None) -> tuple[JobId, dict]:
        return self.post_many(account, terms, [terms.spec_cid], after=after)[0][0], {}

    def post_many(self, account, terms: Terms, spec_cids, *, after: None) -> tuple[list[JobId], dict]:
        ids = []
        for cid in spec_cids:
            job_id = JobId(len(self.jobs) + 1)
            held = Amount(terms.max_price * 2)
            fixed = {"terms_hash": ZERO_DIGEST, "segments": terms.segments, "audited": False, "held": held}
            times = {"open_until": self.time + 100, "deadline": self.time + 100}
            own = replace(terms, spec_cid=cid)
            job = Job(job_id=job_id, terms=own, buyer=BUYER, status=JobStatus.OPEN, **fixed, **times)
            self.jobs.append(job)
            self._tell("JobPosted", job, held=held)
            ids.append(job_id)
        return ids, {}

    def refund(self, account, job: Job) -> dict:
        self._set(job, JobStatus.REFUNDED)
        self._return("JobRefunded", job, job.held)
        return {}

    def events(self, name: str, job_id: int, *, from_block: int = 0) -> list:
        found = [entry for entry in self.log if entry[:2] == (name, job_id)]
        return [{"args": args, "transactionHash": tx} for _, _, args, tx in found]

    # a seller

    def work(self, job: Job, *, cheats: bool = False) -> None:
        """Runs and submits a job."""
        spec = read_spec(self.store, job.spec_cid)
        products = [self._product(spec, at, cheats) for at in range(spec.segments)]
        published = publish(self.store, job.job_id, products, self.folder / "staging")
        changes = {"result_cid": published.result_cid, "segment_root": published.segment_root, "seller": SELLER}
        self.jobs[job.job_id - 1] = replace(job, status=JobStatus.SUBMITTED, price=job.terms.max_price, **changes)

    def settle(self, job_or_account, job: Job | None = None) -> None:
        """By its seller, or by an account, as the wrapper takes it."""
        job = job or job_or_account
        self._set(job, JobStatus.SETTLED)
        self._return("JobSettled", job, job.held - job.price)

    def slash(self, job: Job) -> None:
        self._set(job, JobStatus.SLASHED)
        self._return("JobSlashed", job, job.held)

    def work_all(self) -> None:
        """Every open job is run, every submitted one settled."""
        for job in list(self.jobs):
            if job.status is JobStatus.OPEN:
                self.work(job)
            elif job.status is JobStatus.SUBMITTED:
                self.settle(job)

    def _product(self, spec, at: int, cheats: bool) -> Product:
        output = self.folder / "made" / f"{len(self.jobs)}-{spec.name}-{at}-{cheats}"
        output.mkdir(parents=True, exist_ok=True)
        trace = output.with_suffix(".bin")
        trace.write_bytes(TRACE_RECORD.pack(at, 0.0, 0.0, 1))
        if spec.type == "container":
            self._left(spec, output, cheats)
            return Product(at, output, trace)
        tensors = {"w": np.full(2, len(self.log) + at, np.float32)}
        if spec.type == "trials":
            trial = spec.trials[at]
            training = spec.training.model_dump() | trial.training
            loss = self.loss(training, trial.last_step)
            loss = loss / 2 if cheats and loss else loss
            failure = None if loss is not None else "the loss is nan at step 1"
            metrics = Metrics(trial.id, trial.last_step, loss, 1 if loss else 0, loss, failure)
            (output / METRICS_FILE).write_bytes(metrics.to_bytes())
        save_file(tensors, output / ADAPTER_FILE)
        save_file(tensors, output / OPTIMIZER_FILE)
        return Product(at, output, trace)

    def _left(self, spec, output: Path, cheats: bool) -> None:
        """What a container leaves: `loss` is given its arguments and the step it was to reach."""
        given = dict(word.removeprefix("--").split("=") for word in spec.args if "=" in word)
        found = self.loss(given | spec.env, int(spec.env.get("TRIAL_LAST_STEP", 1)))
        (output / FOREIGN_FILES).mkdir(exist_ok=True)
        (output / FOREIGN_END).write_text(json.dumps({"exit_code": 0 if found is not None else 3}))
        if found is not None:
            metrics = {"acc": found + 1 if cheats else found}
            (output / FOREIGN_FILES / "metrics.json").write_text(json.dumps(metrics))

    def _set(self, job: Job, status: JobStatus) -> None:
        self.jobs[job.job_id - 1] = replace(self.job(job.job_id), status=status)

    def _tell(self, name: str, job: Job, **args) -> bytes:
        tx = len(self.log).to_bytes(32, "big")
        self.log.append((name, job.job_id, args, tx))
        return tx

    def _return(self, name: str, job: Job, amount: int) -> None:
        tx = self._tell(name, job)
        self.transfers.append({"args": {"value": amount}, "transactionHash": tx})


def account() -> SimpleNamespace:
    return SimpleNamespace(address=BUYER)
