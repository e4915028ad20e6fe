# SPDX-License-Identifier: Apache-2.0
"""`swarm lora`: a LoRA fine-tune without writing a spec."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.data import data_options, dataset_keys, guess_format, look_through
from swarm.cli.overriding import override_options

STEPS = 40  # where neither steps nor epochs are said


@click.command(epilog=example("swarm lora -m ./smollm2 -d chats.jsonl --epochs 3 --max-spend 10 --save lora.yaml"))
@click.option("-m", "--model", required=True, help="Model folder, ipfs://CID or hf://models/ORG/NAME@REVISION.")
@click.option("-d", "--data", required=True, type=click.Path(path_type=Path), help="JSONL; its type is guessed.")
@click.option("--max-spend", required=True, help="Tokens: the most this job can ever cost.")
@click.option("--steps", type=click.IntRange(1), help=f"Optimiser steps; default {STEPS}.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), help="Passes over the data instead of --steps.")
@click.option("--steps-per-segment", type=click.IntRange(1), help="Default: a twentieth of the steps.")
@click.option("--batch", type=click.IntRange(1), default=4, show_default=True)
@click.option("--sequence-len", type=click.IntRange(8), default=256, show_default=True)
@click.option("--rank", type=click.IntRange(1), default=8, show_default=True)
@click.option("--learning-rate", type=float, default=2e-4, show_default=True)
@click.option("--validation", type=click.FloatRange(0, 0.9), default=0, help="Share kept apart; its loss is measured.")
@click.option("--seed", type=click.IntRange(0), default=1234, show_default=True, help="Judges replay with it.")
@click.option("--name", default="lora", show_default=True)
@click.option("--engine", help="Image digest sha256:… or process.  [SWARM_ENGINE]")
@click.option("--save", type=click.Path(path_type=Path), help="Also write the spec as YAML.")
@click.option("--dry-run", is_flag=True, help="Show what would be posted; send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before locking the escrow.")
@data_options
@override_options
@with_context
def command(context: Context, save: Path | None, dry_run: bool, yes: bool, engine: str | None, **options) -> None:
    """Fine-tune a model on your data; prints the job's number."""
    from swarm.cli.posting import post_mapping
    from swarm.errors import NotFound, UsageError
    from swarm.workloads.overrides import Overrides

    if not options["data"].exists():
        raise NotFound(f"{options['data']} does not exist")
    if options["steps"] and options["epochs"]:
        raise UsageError("--steps and --epochs say the same thing", hint="give one of them")
    format_ = guess_format(options["data"])
    if options["skip_invalid"] or options["dedupe"]:
        cleaning = {"skip_invalid": options["skip_invalid"], "dedupe": options["dedupe"]}
        options["data"], _ = look_through(context, options["data"], format_, **cleaning)
    overrides = Overrides.parse(options["sets"], options["variables"])
    mapping = overrides.apply(_mapping(options, dataset_keys(format_)))
    post_mapping(context, mapping, save=save, engine=engine, dry_run=dry_run, yes=yes)


def _mapping(options: dict, dataset: dict) -> dict:
    model = options["model"]
    is_uri = model.startswith(("ipfs://", "hf://"))
    mapping = {
        "version": 1,
        "type": "lora",
        "name": options["name"],
        "base_model": model if is_uri else f"file:{Path(model).resolve()}",
        "datasets": [{"path": f"file:{options['data'].resolve()}"} | dataset],
        "training": {
            "lora_r": options["rank"],
            "lora_alpha": 2 * options["rank"],
            "sequence_len": options["sequence_len"],
            "micro_batch_size": options["batch"],
            **_length(options),
            "learning_rate": options["learning_rate"],
            "seed": options["seed"],
        },
        "budget": {"max_total": options["max_spend"]},
    }
    return mapping | ({"val_set_size": options["validation"]} if options["validation"] else {})


def _length(options: dict) -> dict:
    length = {"num_epochs": options["epochs"]} if options["epochs"] else {"max_steps": options["steps"] or STEPS}
    every = options["steps_per_segment"]
    return length | ({"steps_per_segment": every} if every else {})
