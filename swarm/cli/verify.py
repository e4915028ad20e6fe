# SPDX-License-Identifier: Apache-2.0
"""`swarm verify`: re-execute a segment of anybody's job, with no stake, and see both sides."""

from __future__ import annotations

import secrets
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.common import Context, example, parse_job_id, with_context

if TYPE_CHECKING:
    from swarm.protocol.types import Job
    from verifier.finding import Finding


@click.command(epilog=example("swarm verify 7 --segment 12\nswarm verify 7 --local evidence/"))
@click.argument("job")
@click.option("--segment", type=click.IntRange(0), help="Default: the one in question, or any.")
@click.option("--local", type=click.Path(path_type=Path), help="Write the evidence here and publish nothing.")
@click.option("--sandbox", type=click.Choice(["auto", "docker", "process"]), default="auto", show_default=True)
@click.option("--memory-gib", type=click.IntRange(1), default=12, show_default=True)
@click.option("--cpus", type=float, default=2.0, show_default=True)
@click.option("--seconds", type=click.IntRange(1), help="Give up after; default: three times the segment's own time.")
@with_context
def command(context: Context, job: str, segment: int | None, local: Path | None, seconds: int | None, **box) -> None:
    """Re-execute one segment of JOB as a judge would and compare; exit code 13 when it does not match.

    Needs no account and no stake. The evidence (spec, machine, both sides, distances) becomes content that anybody can
    fetch, or stays in a folder of yours with --local.
    """
    from swarm.cli.sandboxes import sandbox_for
    from swarm.errors import IntegrityError, NotFound, UsageError
    from swarm.protocol.types import ZERO_DIGEST
    from verifier.replay import Replayer

    found = context.chain.escrow.job(parse_job_id(job))
    if found.result_cid == ZERO_DIGEST:
        raise NotFound(f"job {found.job_id} has no result yet", hint=f"swarm job watch {found.job_id}")
    if local and local.exists():
        raise UsageError(f"{local} exists already", hint="choose another folder")
    chosen = _segment(context, found, segment)
    limits = {"memory_bytes": box["memory_gib"] << 30, "cpus": box["cpus"], "gpu": context.config.get("gpu")}
    sandbox = sandbox_for(context, box["sandbox"], role="verify", person=secrets.token_hex(4), **limits)
    replayer = Replayer(context.store, sandbox, context.home / "verify")
    context.screen.note(f"re-executing segment {chosen} of {found.segments} …")
    wall_seconds = seconds or 3 * found.segment_seconds
    finding = replayer.replay(found, chosen, wall_seconds=wall_seconds, on_progress=_progress(context))
    _show(context, found, finding, _keep(context, found, finding, replayer.workspaces.of(found, chosen), local))
    replayer.workspaces.forget(found)
    if not finding.matches:
        hint = f"within the audit window: swarm job challenge {found.job_id} --segment {chosen}"
        raise IntegrityError(f"segment {chosen} of job {found.job_id} is not what this machine finds", hint=hint)


def _segment(context: Context, job: Job, asked: int | None) -> int:
    """The segment asked for, the one a case is about, or any: the draw of somebody nobody can foresee."""
    from swarm.errors import UsageError
    from swarm.protocol.types import UNDELIVERED, CaseStatus

    if asked is not None:
        if asked >= job.segments:
            raise UsageError(f"job {job.job_id} has no segment {asked}", hint=f"0 to {job.segments - 1}")
        return asked
    case = context.chain.court.case(job.job_id)
    if case.status is not CaseStatus.NONE and case.segment != UNDELIVERED:
        return case.segment
    return secrets.randbelow(job.segments)


def _keep(context: Context, job: Job, finding: Finding, workspace: Path, local: Path | None) -> str:
    """Where the evidence lies: a folder, or the CID of one."""
    from verifier.bundle import write_bundle

    if local:
        write_bundle(context.store, job, finding, workspace, local)
        return str(local)
    with tempfile.TemporaryDirectory(prefix="swarm-evidence-") as scratch:
        folder = Path(scratch) / "evidence"
        write_bundle(context.store, job, finding, workspace, folder)
        return context.store.add(folder)


def _show(context: Context, job: Job, finding: Finding, evidence: str) -> None:
    from verifier.bundle import claimed_side, evidence_of, recomputed_side

    said = evidence_of(context.store, finding)
    claimed, ours = claimed_side(context.store, job, finding.segment).content(), recomputed_side(finding).content()
    facts = {"job": job.job_id, "segment": finding.segment, "verdict": _word(finding)}
    for name in claimed:
        facts |= {f"claimed_{name}": claimed[name] or None, f"recomputed_{name}": ours[name] or None}
    facts |= said.get("facts") or said.get("distance") or {}
    facts |= {"problem": said["problem"] or None, "seconds": round(finding.wall_seconds, 1), "evidence": evidence}
    context.screen.facts(facts, essence="verdict")


def _word(finding: Finding) -> str:
    from swarm.protocol.types import UNAVAILABLE

    if finding.matches:
        return "match"
    return "unavailable" if finding.verdict == UNAVAILABLE else "mismatch"


def _progress(context: Context):
    """Steps on a terminal's one line; nothing where output is a file."""
    if not sys.stderr.isatty():
        return None

    def show(fact: dict) -> None:
        step, steps = fact.get("step"), fact.get("steps")
        if isinstance(step, int) and isinstance(steps, int):
            click.echo(f"\r\033[K  step {step} of {steps}", nl=False, err=True)

    return show
