# SPDX-License-Identifier: Apache-2.0
"""`swarm run-image`: a container job without writing a spec; think `docker run`."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context

_EXAMPLE = "swarm run-image ghcr.io/me/eval@sha256:9a… -i data.csv=./data.csv --max-spend 1 -- python run.py --seed 3"


@click.command(epilog=example(_EXAMPLE), context_settings={"ignore_unknown_options": True})
@click.argument("image")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("-i", "--input", "inputs", multiple=True, metavar="NAME=PATH", help="A file or folder, at /inputs/NAME.")
@click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="Public: the seller and every judge read it.")
@click.option("--exact", is_flag=True, help="The outputs repeat byte by byte, so judges may compare them.")
@click.option("--max-spend", required=True, help="Tokens: the most this job can ever cost.")
@click.option("--seconds", type=click.IntRange(1, 86_400), default=600, show_default=True, help="Running time.")
@click.option("--name", default="container", show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Also write the spec as YAML.")
@click.option("--dry-run", is_flag=True, help="Show what would be posted; send nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask before locking the escrow.")
@with_context
def command(context: Context, save: Path | None, dry_run: bool, yes: bool, **options) -> None:
    """Run PROGRAM in IMAGE (by digest) on somebody's machine; what it leaves in /outputs is yours.

    Say -- before the program. Without --exact only a result that cannot be fetched is punished.
    """
    from swarm.cli.posting import post_mapping

    mapping = _mapping(options)
    post_mapping(context, mapping, save=save, dry_run=dry_run, yes=yes)


def _mapping(options: dict) -> dict:
    return {
        "version": 1,
        "type": "container",
        "name": options["name"],
        "image": options["image"],
        "entrypoint": list(options["program"]),
        "env": dict(_pair(text, "--env") for text in options["env"]),
        "inputs": [_input(*_pair(text, "--input")) for text in options["inputs"]],
        "determinism": "exact" if options["exact"] else "none",
        "segment_seconds": options["seconds"],
        "run_seconds": options["seconds"],
        "budget": {"max_total": options["max_spend"]},
    }


def _input(name: str, path: str) -> dict:
    source = path if path.startswith("ipfs://") else f"file:{Path(path).resolve()}"
    return {"source": source, "target": f"/inputs/{name}"}


def _pair(text: str, option: str) -> tuple[str, str]:
    from swarm.errors import UsageError

    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise UsageError(f"{option} {text!r} is not NAME=VALUE")
    return name, value
