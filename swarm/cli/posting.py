# SPDX-License-Identifier: Apache-2.0
"""From a spec to a posted job: what `swarm job post` and `swarm lora` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.errors import UsageError

if TYPE_CHECKING:
    from swarm.buyer.offer import Wishes
    from swarm.cli.common import Context
    from swarm.workloads.fields import Spec


def post_spec(
    context: Context,
    spec: Spec,
    *,
    base: Path,
    engine: str | None,
    dry_run: bool,
    yes: bool,
    wishes: Wishes | None = None,
) -> None:
    """Prepares, shows what will be locked, asks, posts and prints the job's number."""
    from swarm.buyer.offer import offer, post
    from swarm.buyer.prepare import prepare
    from swarm.cli.terms import open_seconds, with_terms
    from swarm.execution.inputs import spec_cid
    from swarm.units import format_amount

    said = spec.engine if "engine" in spec.model_fields_set else None
    engine = engine or context.config.get("engine") or said or context.network.engine
    fee_min = int(context.network.parameters.get("fee_min", 0))
    context.screen.note("checking and pinning what the spec names …")
    prepared = prepare(spec, context.store, base=base, cache=context.home / "cache", engine=engine)
    if prepared.facts.get("examples") == 1:
        context.screen.note("! one example only: the model will learn it by heart")
    if thin := prepared.facts.get("segments_below_256_tokens"):
        words = "of so few a model that spoofs the right one's answers may go unnoticed; raise shards.size"
        context.screen.note(f"! {thin} segment(s) can hold fewer than 256 tokens: {words}")
    offered = offer(
        prepared.spec,
        prepared.spec_cid,
        fee_min=fee_min,
        open_seconds=open_seconds(spec),
        wishes=with_terms(spec, wishes),
    )
    facts = {
        "spec_cid": spec_cid(prepared.spec_cid),
        "price_tok": format_amount(offered.terms.max_price),
        "escrow_tok": format_amount(offered.escrow),
        "judge_fee_tok": format_amount(offered.fee),
        "segments": offered.terms.segments,
    } | dict(prepared.facts)
    if dry_run:
        context.screen.facts(facts | {"transactions": "approve, post"}, essence="spec_cid")
        return
    _ask(context, format_amount(offered.escrow), yes)
    job_id, _ = post(context.chain, context.account, offered)
    context.screen.facts({"job": job_id} | facts, essence="job")
    context.screen.note(f"follow it with: swarm job watch {job_id}")


def post_mapping(
    context: Context, mapping: dict, *, save: Path | None, engine: str | None = None, dry_run: bool, yes: bool
) -> None:
    """Checks a spec made of options, writes it where it is to be kept, and posts it."""
    from swarm.workloads.spec import parse_spec

    spec = parse_spec(mapping)
    if save:
        save_spec(save, mapping)
        context.screen.note(f"wrote {save}")
    post_spec(context, spec, base=Path("/"), engine=engine, dry_run=dry_run, yes=yes)


def save_spec(path: Path, mapping: dict) -> None:
    """Writes a spec as YAML, as `swarm job post` reads it."""
    from ruamel.yaml import YAML

    with path.open("w") as file:
        YAML().dump(mapping, file)


def _ask(context: Context, escrow: str, yes: bool) -> None:
    if yes:
        return
    from swarm.cli.screen import is_terminal

    if not is_terminal():
        raise UsageError(f"this would lock {escrow} TOK", hint="say --yes to post without being asked")
    click.confirm(f"You will lock {escrow} TOK in escrow. Unused funds return automatically. Proceed?", abort=True)
