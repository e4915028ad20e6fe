# SPDX-License-Identifier: Apache-2.0
"""`swarm adapter`: what a buyer bought."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, parse_job_id, with_context


@click.group()
def command() -> None:
    """Fetch what you bought."""


@command.command(epilog=example("swarm adapter pull 7 -o ./out"))
@click.argument("job")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("adapter"), show_default=True)
@click.option("--base-model", help="Name or path to write into adapter_config.json.")
@with_context
def pull(context: Context, job: str, output: Path, base_model: str | None) -> None:
    """Download the adapter of JOB, check it against the commitment on chain, and write a PEFT folder."""
    from swarm.buyer.pull import pull as fetch

    job_id = parse_job_id(job)
    pulled = fetch(context.store, context.chain.escrow.job(job_id), output, base_model=base_model)
    weights = max(pulled.files, key=lambda file: file.bytes)
    context.screen.facts(
        {
            "directory": str(pulled.directory),
            "output_cid": pulled.output_cid,
            "adapter_bytes": weights.bytes,
            "sha256": weights.sha256.hex(),
            "commitment": "matches the one on chain",
        }
        | _validation(pulled.directory),
        essence="directory",
    )


def _validation(directory: Path) -> dict:
    from swarm.workloads.lora.metrics import read_metrics

    metrics = read_metrics(directory)
    return {"validation_loss": round(metrics.eval_loss, 4)} if metrics else {}
