# SPDX-License-Identifier: Apache-2.0
"""`swarm workload`: which job types there are, what their specs may say, and how closely they can be checked."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Job types: list, schema, certify."""


@command.command("list", epilog=example("swarm workload list"))
@with_context
def list_(context: Context) -> None:
    """Every job type, and the classes in which each certificate lets it be checked within bounds."""
    from swarm.workloads.certificates import certificates
    from swarm.workloads.registry import WORKLOADS

    rows = [_row("type", name) for name in sorted(WORKLOADS)]
    for certificate in certificates().values():
        for precision, entry in certificate.content["classes"].items():
            limits = certificate.bounds[precision]["first_moment"]
            how = "emulated" if entry["emulated"] else "measured"
            bounds = f"accept {limits.accept:.1e}, reject {limits.reject:.1e}"
            samples = f"{entry['honest_samples']} {how}"
            rows.append(_row("certificate", certificate.name, precision, samples, bounds))
    context.screen.table(rows, essence="name", empty="")


def _row(what: str, name: str, precision: str = "", samples: str = "", bounds: str = "") -> dict[str, str]:
    return {"what": what, "name": name, "precision": precision, "samples": samples, "first_moment": bounds}


@command.command(epilog=example("swarm workload schema lora"))
@click.argument("type_", metavar="TYPE")
@with_context
def schema(context: Context, type_: str) -> None:
    """The JSON Schema of a job type's spec: for editors, and for those who generate specs."""
    from swarm.errors import UsageError
    from swarm.workloads.schema import schema_text
    from swarm.workloads.spec import SPECS

    if type_ not in SPECS:
        raise UsageError(f"there is no job type {type_[:40]!r}", hint=f"one of: {', '.join(SPECS)}")
    click.echo(schema_text(type_), nl=False)


def _rows_of(path: Path) -> list[dict]:
    """The rows of a certificate, looked at before hours of measuring. Raises SpecError."""
    from swarm.errors import SpecError
    from swarm.execution.certify import KINDS

    try:
        rows = json.loads(path.read_text())["measured"]
        if not all(row["precision"] and row["kind"] and row["distances"].keys() == set(KINDS) for row in rows):
            raise ValueError("rows of another form")
    except (ValueError, KeyError, TypeError) as error:
        raise SpecError(f"{path.name}: expected a certificate, with rows of {', '.join(KINDS)} as measured") from error
    return rows


@command.command(epilog=example("swarm workload certify process --out swarm/workloads/certificates/process.json"))
@click.argument("engine")
@click.option(
    "--model", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A real model beside the tiny one."
)
@click.option("--seeds", type=click.IntRange(1), default=8, show_default=True, help="First states of the tiny model.")
@click.option("--steps", type=click.IntRange(6), default=25, show_default=True, help="Single steps from each of them.")
@click.option("--real-steps", type=click.IntRange(6), default=20, show_default=True, help="Of the real model.")
@click.option("--four-bit", is_flag=True, help="Measure the classes of QLoRA instead; ENGINE needs bitsandbytes.")
@click.option("--merge", type=_FILE, multiple=True, help="Rows measured elsewhere: on a GPU, on another model.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Default: print it.")
@with_context
def certify(
    context: Context,
    engine: str,
    model: Path | None,
    seeds: int,
    steps: int,
    real_steps: int,
    four_bit: bool,
    merge: tuple[Path, ...],
    out: Path | None,
) -> None:
    """Measure how far honest runs of ENGINE (an image digest, or process) are apart, and write its bounds.

    Runs single steps over thread counts, instruction sets, attention kernels and precisions; a precision that this
    machine does not have is emulated and marked so.
    """
    from swarm.cli.sandboxes import local_sandbox
    from swarm.errors import UsageError
    from swarm.execution.certify import Certifier, Golden, certificate

    box, _ = local_sandbox("process" if engine == "process" else "docker", engine, role="certify")
    if not box.runner.accepts(engine):
        raise UsageError(f"no sandbox here holds the image {engine[:80]}", hint="pull or build it first")
    context.screen.note(f"sandbox: {box.runner.name}")
    with tempfile.TemporaryDirectory(prefix="swarm-certify-") as scratch:
        golden = [Golden("tiny", None, tuple(range(seeds)), steps, four_bit)]
        if model:
            golden.append(Golden(model.name.lower(), model.resolve(), (0,), real_steps, four_bit))
        certifier = Certifier(box, engine, Path(scratch), context.screen.note)
        others = [row for path in merge for row in _rows_of(path)]
        rows = certifier.measured(golden) + others
    content = certificate(rows, [engine])
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    if out is None:
        click.echo(text, nl=False)
        return
    out.write_text(text, "utf-8")
    context.screen.note(f"written to {out}")
