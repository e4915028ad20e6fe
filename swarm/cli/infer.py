# SPDX-License-Identifier: Apache-2.0
"""`swarm infer`: answers to a file of requests without writing a spec."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.requests import skip_option, usable


@click.command(epilog=example("swarm infer -m ./smollm2 -i requests.jsonl --max-spend 3 --save infer.yaml"))
@click.option("-m", "--model", required=True, help="Model folder, or ipfs://CID.")
@click.option("-a", "--adapter", help="LoRA folder (PEFT), or ipfs://CID.")
@click.option("-i", "--input", required=True, type=click.Path(path_type=Path), help="Requests, JSONL (OpenAI batch).")
@click.option("--max-spend", required=True, help="Tokens: the most this job can ever cost.")
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Of an answer.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True, help="0 is greedy.")
@click.option("--seed", type=click.IntRange(0), default=1234, show_default=True, help="Of the sampling above 0.")
@click.option("--shard", type=click.IntRange(1), help="Requests in a segment; default 64, more for short answers.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Requests in a forward pass.")
@click.option("--exact", is_flag=True, help="Judges repeat a shard byte for byte instead of checking its tokens.")
@skip_option
@click.option("--name", default="infer", show_default=True)
@click.option("--engine", help="Image digest sha256:… or process.  [SWARM_ENGINE]")
@click.option("--save", type=click.Path(path_type=Path), help="Also write the spec as YAML.")
@click.option("--dry-run", is_flag=True, help="Show what would be posted; send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before locking the escrow.")
@with_context
def command(context: Context, save: Path | None, dry_run: bool, yes: bool, engine: str | None, **options) -> None:
    """Have a file of requests answered; prints the job's number."""
    from swarm.cli.posting import post_mapping
    from swarm.errors import NotFound
    from swarm.workloads.inference.requests import Allowed

    if not options["input"].exists():
        raise NotFound(f"{options['input']} does not exist")
    if options["skip_invalid"]:
        allowed = Allowed(options["max_tokens"], options["temperature"], options["seed"])
        options["input"] = usable(context, options["input"], allowed, skip_invalid=True)
    mapping = _mapping(options)
    post_mapping(context, mapping, save=save, engine=engine, dry_run=dry_run, yes=yes)


def _mapping(options: dict) -> dict:
    adapter = {"adapter": _uri(options["adapter"])} if options["adapter"] else {}
    return {
        "version": 1,
        "type": "inference",
        "name": options["name"],
        "model": _uri(options["model"]),
        **adapter,
        "input": f"file:{options['input'].resolve()}",
        "sampling": {name: options[name] for name in ("temperature", "max_tokens", "seed")},
        "shards": {"batch": options["batch"]} | ({"size": options["shard"]} if options["shard"] else {}),
        "verification": "exact" if options["exact"] else "proof",
        "budget": {"max_total": options["max_spend"]},
    }


def _uri(where: str) -> str:
    return where if where.startswith("ipfs://") else f"file:{Path(where).resolve()}"
