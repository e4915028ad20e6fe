# SPDX-License-Identifier: Apache-2.0
"""`swarm sweep`: many short trainings of one template, the best of them found within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swarm.cli.common import Context, example, with_context

if TYPE_CHECKING:
    from swarm.buyer.sweep.book import SweepBook


@click.group()
def command() -> None:
    """Search for the best parameters of a LoRA template or of a program, over many sellers at once."""


@command.command(epilog=example("swarm sweep run sweep.yaml --max-spend 25 --parallel 24"))
@click.argument("spec", type=click.Path(path_type=Path))
@click.option("--max-spend", help="Tokens: the most the whole sweep can cost, instead of budget.max_total.")
@click.option("--parallel", type=click.IntRange(1, 1024), help="Trials under way at once.")
@click.option("--engine", help="Image digest sha256:… or process; default: what the template says.  [SWARM_ENGINE]")
@click.option("--dry-run", is_flag=True, help="Show the quote; send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before spending.")
@with_context
def run(
    context: Context,
    spec: Path,
    max_spend: str | None,
    parallel: int | None,
    engine: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Start the sweep of SPEC and follow it. ^C detaches: jobs go on, and `resume` continues."""
    from swarm.buyer.sweep.book import SweepBook
    from swarm.buyer.sweep.prepare import begin
    from swarm.cli.sweeping import ask, follow, quote
    from swarm.workloads.sweep.search import load_sweep

    sweep = _changed(load_sweep(spec), max_spend, parallel)
    said = sweep.template.engine if "engine" in sweep.template.model_fields_set else None
    engine = engine or context.config.get("engine") or said or context.network.engine
    context.screen.note("checking and pinning what the sweep names …")
    fee_min = int(context.network.parameters.get("fee_min", 0))
    first_job = context.chain.escrow.job_count() + 1
    places = {"base": spec.parent, "home": context.home}
    header = begin(sweep, context.store, engine=engine, fee_min=fee_min, first_job=first_job, **places)
    if dry_run:
        context.screen.facts(quote(header), essence="max_total_tok")
        return
    ask(context, header, yes)
    book = SweepBook.begin(_folder(context), header)
    context.screen.note(f"sweep {header.sweep_id} started")
    follow(context, book)


@command.command(epilog=example("swarm sweep resume s-81c2d4 --add-budget 10"))
@click.argument("sweep")
@click.option("--add-budget", help="Tokens on top of the cap.")
@with_context
def resume(context: Context, sweep: str, add_budget: str | None) -> None:
    """Go on with SWEEP where it was. A finished trial is never run again."""
    from decimal import Decimal

    from swarm.cli.sweeping import follow
    from swarm.units import parse_amount

    book = _book(context, sweep)
    if add_budget is not None:
        parse_amount(add_budget)
        book.add_budget(Decimal(add_budget))
    book.reopen()
    follow(context, book)


@command.command("list", epilog=example("swarm sweep list"))
@with_context
def list_(context: Context) -> None:
    """List the sweeps of this home."""
    from swarm.buyer.sweep.book import SweepBook
    from swarm.cli.sweeping import summary

    ids = sorted(path.parent.name for path in _folder(context).glob("s-*/journal.sqlite"))
    found = [summary(SweepBook.open(_folder(context), sweep_id)) for sweep_id in ids]
    context.screen.table(found, essence="sweep", empty="no sweep here: swarm sweep run starts one")


@command.command(epilog=example("swarm sweep top s-81c2d4"))
@click.argument("sweep")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@with_context
def top(context: Context, sweep: str, limit: int) -> None:
    """Show the runs of SWEEP, the best first, as this machine last knew them."""
    from swarm.buyer.sweep.table import rows
    from swarm.cli.sweeping import short, told, view_of

    book = _book(context, sweep)
    view = view_of(book)
    context.screen.note(told(view))
    found = rows(view)[:limit]
    shown = found if context.screen.mode == "json" else [short(row) for row in found]
    context.screen.table(shown, essence="run", empty="no run yet")


@command.command(epilog=example("swarm sweep show s-81c2d4"))
@click.argument("sweep")
@with_context
def show(context: Context, sweep: str) -> None:
    """Show what SWEEP is, what it cost, and its jobs."""
    from swarm.cli.sweeping import details

    context.screen.facts(details(_book(context, sweep)), essence="state")


@command.command(epilog=example("swarm sweep best s-81c2d4 --yaml > best.yaml"))
@click.argument("sweep")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print a LoRA spec with the best parameters, ready to post.")
@with_context
def best(context: Context, sweep: str, as_yaml: bool) -> None:
    """Show the best run of SWEEP."""
    from swarm.buyer.sweep.table import best as find
    from swarm.buyer.sweep.table import rows
    from swarm.cli.sweeping import best_spec, view_of, write_yaml
    from swarm.errors import NotFound

    book = _book(context, sweep)
    found = find(view_of(book))
    if not found:
        raise NotFound(f"no run of {sweep} has a result yet", hint=f"swarm sweep top {sweep}")
    if as_yaml:
        write_yaml(best_spec(book.header, found[0][0]), click.get_text_stream("stdout"))
        return
    context.screen.facts(next(row for row in rows(view_of(book)) if row["run"] == found[0][0].id), essence="run")


@command.command(epilog=example("swarm sweep export s-81c2d4 --csv runs.csv --json-file runs.json"))
@click.argument("sweep")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write the table as CSV.")
@click.option("--json-file", type=click.Path(path_type=Path), help="Write the table as JSON.")
@with_context
def export(context: Context, sweep: str, csv_file: Path | None, json_file: Path | None) -> None:
    """Write the table of SWEEP; without a file, as CSV to stdout."""
    from swarm.buyer.sweep.table import rows, to_csv, to_json
    from swarm.cli.sweeping import view_of

    table = rows(view_of(_book(context, sweep)))
    if csv_file:
        csv_file.write_text(to_csv(table), "utf-8")
    if json_file:
        json_file.write_text(to_json(table), "utf-8")
    if not csv_file and not json_file:
        click.echo(to_csv(table), nl=False)
    else:
        files = [str(path) for path in (csv_file, json_file) if path]
        context.screen.facts({"runs": len(table), "files": " ".join(files)}, essence="runs")


@command.command(epilog=example("swarm sweep report s-81c2d4 -o report.html"))
@click.argument("sweep")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True)
@with_context
def report(context: Context, sweep: str, output: Path) -> None:
    """Write SWEEP as one HTML page: table, best so far, parallel coordinates."""
    from swarm.buyer.sweep.report import report as page
    from swarm.cli.sweeping import view_of
    from swarm.units import format_amount

    book = _book(context, sweep)
    view = view_of(book)
    output.write_text(page(view, sweep, format_amount(view.ledger.spent)), "utf-8")
    context.screen.facts({"report": str(output)})


def _changed(sweep, max_spend: str | None, parallel: int | None):
    """The sweep with what was said on the command line instead."""
    from decimal import Decimal

    from swarm.units import parse_amount
    from swarm.workloads.sweep.search import Sweep

    content = sweep.model_dump()
    if max_spend is not None:
        parse_amount(max_spend)
        content["budget"]["max_total"] = Decimal(max_spend)
        per_run = content["budget"]["max_per_run"]
        content["budget"]["max_per_run"] = per_run and min(per_run, Decimal(max_spend))
    if parallel is not None:
        content["parallel"] = parallel
    return Sweep.model_validate(content)


def _folder(context: Context) -> Path:
    return context.home / "sweeps"


def _book(context: Context, sweep: str) -> SweepBook:
    from swarm.buyer.sweep.book import SweepBook

    return SweepBook.open(_folder(context), sweep)
