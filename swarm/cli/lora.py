# SPDX-License-Identifier: Apache-2.0
"""`swarm lora`: a LoRA fine-tune without writing a spec."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context


@click.command(epilog=example("swarm lora -m ./smollm2 -d chats.jsonl --steps 40 --max-spend 10 --save lora.yaml"))
@click.option("-m", "--model", required=True, help="Model folder, or ipfs://CID.")
@click.option("-d", "--data", required=True, type=click.Path(path_type=Path), help="Chat JSONL (OpenAI messages).")
@click.option("--max-spend", required=True, help="Tokens: the most this job can ever cost.")
@click.option("--steps", type=click.IntRange(1), default=40, show_default=True, help="Optimiser steps.")
@click.option("--steps-per-segment", type=click.IntRange(1), default=2, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True)
@click.option("--sequence-len", type=click.IntRange(8), default=256, show_default=True)
@click.option("--rank", type=click.IntRange(1), default=8, show_default=True)
@click.option("--learning-rate", type=float, default=2e-4, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1234, show_default=True, help="Judges replay with it.")
@click.option("--name", default="lora", show_default=True)
@click.option("--engine", help="Image digest sha256:… or process.  [SWARM_ENGINE]")
@click.option("--save", type=click.Path(path_type=Path), help="Also write the spec as YAML.")
@click.option("--dry-run", is_flag=True, help="Show what would be posted; send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before locking the escrow.")
@with_context
def command(context: Context, save: Path | None, dry_run: bool, yes: bool, engine: str | None, **options) -> None:
    """Fine-tune a model on chat data; prints the job's number."""
    from swarm.cli.posting import post_spec, save_spec
    from swarm.errors import NotFound
    from swarm.workloads.spec import parse_spec

    if not options["data"].exists():
        raise NotFound(f"{options['data']} does not exist")
    mapping = _mapping(options)
    spec = parse_spec(mapping)
    if save:
        save_spec(save, mapping)
        context.screen.note(f"wrote {save}")
    post_spec(context, spec, base=Path("/"), engine=engine, dry_run=dry_run, yes=yes)


def _mapping(options: dict) -> dict:
    model = options["model"]
    return {
        "version": 1,
        "type": "lora",
        "name": options["name"],
        "base_model": model if model.startswith("ipfs://") else f"file:{Path(model).resolve()}",
        "datasets": [{"path": f"file:{options['data'].resolve()}", "type": "chat_template"}],
        "training": {
            "lora_r": options["rank"],
            "lora_alpha": 2 * options["rank"],
            "sequence_len": options["sequence_len"],
            "micro_batch_size": options["batch"],
            "max_steps": options["steps"],
            "steps_per_segment": options["steps_per_segment"],
            "learning_rate": options["learning_rate"],
            "seed": options["seed"],
        },
        "budget": {"max_total": options["max_spend"]},
    }
