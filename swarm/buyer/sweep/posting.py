# SPDX-License-Identifier: Apache-2.0
"""Makes tasks into jobs: the spec of each, its price within the tasks' shares, and posting it once and only once.

A spec's name holds the sweep's id and the posting's number, so its CID is nobody else's: a controller that was killed
between sending and writing down finds its job on chain by that CID.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from eth_account.signers.local import LocalAccount

from swarm.buyer.offer import Offer, offer
from swarm.buyer.prepare import prepare
from swarm.buyer.sweep.book import Header
from swarm.buyer.sweep.ledger import Ledger, Posting, Run, Task
from swarm.buyer.sweep.plan import Limits, share_of
from swarm.chain.network import Chain
from swarm.execution.inputs import read_spec, spec_cid
from swarm.protocol.types import Amount, Digest, Job, JobId
from swarm.storage.port import Store
from swarm.units import DECIMALS
from swarm.workloads.container.spec import ContainerSpec
from swarm.workloads.fields import Spec
from swarm.workloads.sweep.program import file_of, trial_mapping
from swarm.workloads.sweep.spec import TrialsSpec
from swarm.workloads.sweep.trial import merged

MAX_RUN_SECONDS = 72 * 3600  # what a worker takes by default


def draft(
    header: Header, limits: Limits, ledger: Ledger, tasks: Sequence[Task], number: int, store: Store, cache: Path
) -> Posting:
    """A posting that is ready to be sent: its spec lies in the store."""
    runs = {run.id: run for run in ledger.runs}
    escrow = sum(share_of(limits, task, runs[task.run].max_steps) for task in tasks)
    if header.sweep.program:
        mapping = _program(header, header.sweep.program, tasks[0], runs[tasks[0].run], store)
    else:
        mapping = _lora(header, runs[tasks[0].run]) if tasks[0].is_job else _trials(header, tasks, runs)
    mapping |= {"name": f"{header.sweep_id}-{number}", "engine": header.engine, "budget": {"max_total": tok(escrow)}}
    spec = type_of(tasks[0], header).model_validate(mapping)
    prepared = prepare(spec, store, base=cache, cache=cache)
    return Posting(number, prepared.spec_cid.hex(), tuple(tasks), escrow)


def type_of(task: Task, header: Header) -> type[Spec]:
    """Which job type a task is posted as."""
    from swarm.workloads.lora.spec import LoraSpec

    if header.sweep.program:
        return ContainerSpec
    return LoraSpec if task.is_job else TrialsSpec


def tok(amount: int) -> str:
    """As a budget is written: exactly."""
    return f"{Decimal(amount).scaleb(-DECIMALS).normalize():f}"


def offered(header: Header, posting: Posting, store: Store) -> Offer:
    """The terms of a posting, from its spec alone."""
    digest = Digest(bytes.fromhex(posting.spec_cid))
    return offer(read_spec(store, digest), digest, fee_min=header.fee_min)


def jobs_on_chain(chain: Chain, buyer: str, header: Header) -> dict[str, Job]:
    """The buyer's jobs since the sweep began, by the hexadecimal digest of their spec."""
    found: dict[str, Job] = {}
    for number in range(chain.escrow.job_count(), header.first_job - 1, -1):
        job = chain.escrow.job(JobId(number))
        if job.buyer == buyer and job.terms.first_segment == 0:
            found[job.spec_cid.hex()] = job
    return found


def send(chain: Chain, account: LocalAccount, postings: Sequence[tuple[Posting, Offer]]) -> list[Posting]:
    """Posts jobs; those of one shape in a single transfer. Raises FundsError before anything is sent, Reverted,
    TransientError: then what was sent is found on chain by its spec."""
    sent: list[Posting] = []
    for _, group in itertools.groupby(postings, key=lambda entry: replace(entry[1].terms, spec_cid=Digest(bytes(32)))):
        entries = list(group)
        total = Amount(sum(each.escrow for _, each in entries))
        approval = chain.token.approval(account, chain.network.escrow, total)
        cids = [each.terms.spec_cid for _, each in entries]
        if len(entries) == 1:
            ids = [chain.escrow.post(account, entries[0][1].terms, after=approval)[0]]
        else:
            ids, _ = chain.escrow.post_many(account, entries[0][1].terms, cids, after=approval)
        sent += [replace(posting, job_id=int(job)) for (posting, _), job in zip(entries, ids, strict=True)]
    return sent


def show_cid(posting: Posting) -> str:
    return spec_cid(Digest(bytes.fromhex(posting.spec_cid)))


def _common(header: Header) -> dict:
    template = header.sweep.lora
    kept = ("version", "hardware_class", "segment_seconds", "run_seconds")
    field = template.datasets[0].model_dump() | {"path": header.dataset}
    return {name: getattr(template, name) for name in kept} | {"base_model": header.base_model, "datasets": (field,)}


def _trials(header: Header, tasks: Sequence[Task], runs: dict[str, Run]) -> dict:
    training = merged(header.sweep.lora.training, {}).model_dump()
    entries = [
        {
            "id": task.run,
            "training": dict(runs[task.run].parameters),
            "first_step": task.first_step,
            "last_step": task.last_step,
            "start": f"ipfs://{task.start}" if task.start else None,
        }
        for task in tasks
    ]
    own = {"type": "trials", "training": training, "validation": header.validation, "trials": entries}
    template = header.sweep.lora
    # One trial after the other must fit, whatever a single training was given.
    seconds = min(MAX_RUN_SECONDS, max(template.run_seconds, len(tasks) * template.segment_seconds))
    return _common(header) | own | {"run_seconds": seconds}


def _program(header: Header, program: ContainerSpec, task: Task, run: Run, store: Store) -> dict:
    steps = (task.first_step, task.last_step) if header.sweep.early_terminate else None
    start = f"ipfs://{task.start}" if task.start else None
    file_uri = f"ipfs://{store.add_bytes(file_of(run.parameters))}"
    return trial_mapping(program, run.parameters, file_uri=file_uri, steps=steps, start=start)


def _lora(header: Header, run: Run) -> dict:
    template = header.sweep.lora
    training = template.training.model_dump() | dict(run.parameters)
    return _common(header) | {"type": "lora", "training": training, "verification": template.verification}
