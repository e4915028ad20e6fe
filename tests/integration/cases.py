# SPDX-License-Identifier: Apache-2.0
"""Cases for judges that may die: jobs sold by a hand that needs no daemon, and what brings a case to its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from eth_account import Account

from swarm.chain.devnet import fund
from swarm.execution.inputs import InputCache
from swarm.execution.results import publish
from swarm.execution.segments import Execution, Sandbox, execute
from swarm.protocol.types import CaseStatus, Job, JobId, JobStatus
from swarm.runtime.fake import FakeRunner
from swarm.units import parse_amount
from tests.integration.stage import Person, Stage
from tests.unit.execution.conftest import program
from verifier.service import Judge


def cheat(run, emit) -> None:
    """The right files under a forged trace: every leaf is wrong."""
    program(run, emit)
    for trace in (run.outputs / "traces").iterdir():
        trace.write_bytes(bytes(16))


class Sellers:
    """Two sellers' work, done once: the honest one's and the cheat's. With twenty segments the least collateral is a
    quarter of the price, and a job of it is drawn for certain."""

    def __init__(self, stage: Stage) -> None:
        self.prepared = stage.prepare(20)
        self.account = Account.create()
        fund(stage.chain, self.account.address, parse_amount("1000"))
        stage.chain.deposit(self.account, parse_amount("900"), stage.network.escrow)
        self.work = {is_honest: self._done(stage, is_honest) for is_honest in (True, False)}

    def _done(self, stage: Stage, is_honest: bool) -> Execution:
        folder, spec = stage.directory / f"seller-{is_honest}", self.prepared.spec
        inputs = InputCache(stage.store, folder / "cache").fetch(spec)
        sandbox = Sandbox(FakeRunner(program if is_honest else cheat), owner="seller")
        span = {"first": 0, "last": spec.segments, "state": inputs.initial_state, "wall_seconds": 60}
        return execute(sandbox, spec, inputs, workspace=folder / "work", **span)


class Cases:
    """What happens between a seller, four judges and the clock. `folder` is this test's own."""

    def __init__(self, stage: Stage, sellers: Sellers, folder: Path) -> None:
        self.stage, self.sellers, self.folder = stage, sellers, folder
        self._judges: dict[str, Judge] = {}

    def sold(self, *, is_honest: bool = True, **terms) -> Job:
        """A submitted job with the least collateral, so that it is drawn for certain; its seed is not there yet."""
        chain, seller = self.stage.chain, self.sellers.account
        job_id = self.stage.post(prepared=self.sellers.prepared, **terms)
        job = self.stage.job(job_id)
        chain.escrow.accept(seller, job, chain.escrow.min_collateral_for(job.terms.max_price, job.segments))
        products = self.sellers.work[is_honest].products
        published = publish(self.stage.store, job_id, products, self.folder / "staging")
        chain.escrow.submit(seller, self.stage.job(job_id), published.result_cid, published.segment_root)
        return self.stage.job(job_id)

    def drawn(self, job: Job) -> Person:
        """The seed comes; who will be the judge."""
        self.stage.bring_seed(job.epoch)
        return self.holder(self.stage.chain.escrow.judge_to_be(job))

    def committee(self, job: Job) -> list[Person]:
        """Whom the ballot's seed, which comes now, will draw."""
        job, ballot = self.stage.job(job.job_id), self.ballot(job)
        self.stage.bring_seed(ballot.epoch)
        return [self.holder(slot) for slot in self.stage.chain.ballots.committee_to_be(job, ballot.round)]

    def denied(self, job: Job) -> tuple[Job, Person]:
        """The drawn judge of a cheat has denied: a committee is to be drawn."""
        judge = self.drawn(job)
        self.move(lambda: self.case(job).status is CaseStatus.VOTING, judge, what="the denial")
        return self.stage.job(job.job_id), judge

    def holder(self, slot_id: int) -> Person:
        operator = self.stage.chain.bench.slot(slot_id).operator
        return next(each for each in self.stage.judges.values() if each.account.address == operator)

    def slot_of(self, person: Person) -> int:
        slots = self.stage.chain.bench.slots()
        return next(slot.slot_id for slot in slots if slot.operator == person.account.address)

    def case(self, job: Job):
        return self.stage.chain.court.case(job.job_id)

    def ballot(self, job: Job):
        return self.stage.chain.ballots.ballot(job.job_id, self.case(job).round)

    def others(self, *people: Person) -> list[Person]:
        return [each for each in self.stage.judges.values() if each not in people]

    def in_process(self, person: Person) -> Judge:
        if person.name not in self._judges:
            self._judges[person.name] = self.stage.judge_of(person.name, self.folder / person.name)
        return self._judges[person.name]

    def move(self, probe: Callable[[], object], *people: Person, what: str) -> None:
        """These judges do their part, in this process, and the clock goes on, until it is so."""

        def moved() -> object:
            for person in people:
                self.in_process(person).tick()
            if found := probe():
                return found
            self.stage.pass_time(1)
            return None

        self.stage.until(moved, what)

    def finish(self, job_id: JobId, *people: Person) -> JobStatus:
        """To the end, whatever it is; windows are passed over."""

        def ended() -> object:
            job = self.stage.job(job_id)
            case = self.stage.chain.court.case(job_id)
            if job.status is JobStatus.SUBMITTED and job.audited:
                self.stage.pass_until(job.deadline + 1)
                self.stage.chain.escrow.settle(self.stage.bob, job)
            elif case.status is CaseStatus.APPEALABLE:
                self.stage.pass_until(case.deadline + 1)
            return self.stage.job(job_id).status.is_final

        self.move(ended, *people, what="the end")
        return self.stage.job(job_id).status

    def stop(self) -> None:
        for judge in self._judges.values():
            judge.stop()
