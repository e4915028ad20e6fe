# SPDX-License-Identifier: Apache-2.0
"""`swarm init container`: a commented container.yaml for an image."""

from __future__ import annotations

import json
from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.data import scalar
from swarm.cli.init_writing import refuse_existing, relative, write_checked


@click.command(
    epilog=example("swarm init container python@sha256:… -i data.csv -- python3 run.py"),
    context_settings={"ignore_unknown_options": True},
)
@click.argument("image")
@click.argument("words", metavar="-- COMMAND…", nargs=-1, required=True)
@click.option("-i", "--input", "inputs", multiple=True, help="A file or folder, or ipfs://CID; below /inputs.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("container.yaml"), show_default=True)
@click.option("--max-spend", default="1", show_default=True, help="Tokens: the most the job can ever cost.")
@with_context
def command(
    context: Context, image: str, words: tuple[str, ...], inputs: tuple[str, ...], output: Path, max_spend: str
) -> None:
    """Write a commented spec for COMMAND in IMAGE, which is named by digest."""
    from swarm.workloads.spec import load_spec

    refuse_existing(output)
    entries = [(relative(where, output), _target(where)) for where in inputs]
    lines = "".join(f"\n  - {{ source: {scalar(source)}, target: {scalar(target)} }}" for source, target in entries)
    text = _TEMPLATE.format(
        image=scalar(image),
        entrypoint=json.dumps(words[:1], ensure_ascii=False),
        args=json.dumps(words[1:], ensure_ascii=False),
        inputs=lines or " []",
        max_spend=scalar(max_spend),
    )
    write_checked(context, output, text, load_spec, then=f"swarm job post {output} --dry-run")


def _target(where: str) -> str:
    return "/inputs/" + Path(where.removeprefix("file:").removeprefix("ipfs://")).resolve().name


_TEMPLATE = """\
# yaml-language-server: $schema=docs/schema/v1/container.json
version: 1
type: container
name: container
image: {image}
entrypoint: {entrypoint}
args: {args}
env: {{}}                       # public: the seller and every judge read it
inputs:{inputs}
determinism: exact            # /outputs and what is printed repeat byte by byte, so no clock, no randomness, no races;
                              # none: only a result that cannot be fetched is punished
segment_seconds: 600          # the longest the program may take
run_seconds: 3600
budget: {{ max_total: {max_spend} }}   # the most you can ever pay; the rest returns
"""
