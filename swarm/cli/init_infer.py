# SPDX-License-Identifier: Apache-2.0
"""`swarm init infer`: looks through requests and the model, and writes a commented infer.yaml."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.data import scalar
from swarm.cli.init_writing import refuse_existing, relative, write_checked
from swarm.cli.requests import skip_option, usable


@click.command(epilog=example("swarm init infer -m ./smollm2 -i requests.jsonl"))
@click.option("-m", "--model", required=True, help="Model folder, or ipfs://CID.")
@click.option("-a", "--adapter", help="LoRA folder (PEFT), or ipfs://CID.")
@click.option("-i", "--input", "requests", required=True, type=click.Path(path_type=Path), help="Requests, JSONL.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("infer.yaml"), show_default=True)
@click.option("--max-tokens", type=click.IntRange(1), default=256, show_default=True, help="Of an answer.")
@click.option("--max-spend", default="10", show_default=True, help="Tokens: the most the job can ever cost.")
@skip_option
@with_context
def command(
    context: Context,
    model: str,
    adapter: str | None,
    requests: Path,
    output: Path,
    max_tokens: int,
    max_spend: str,
    skip_invalid: bool,
) -> None:
    """Check the requests line by line and write a commented spec."""
    from swarm.workloads.inference.requests import Allowed
    from swarm.workloads.spec import load_spec

    refuse_existing(output)
    used = usable(context, requests, Allowed(max_tokens, 0.0, 0), skip_invalid=skip_invalid)
    text = _TEMPLATE.format(
        model=scalar(relative(model, output)),
        adapter=f"adapter: {scalar(relative(adapter, output))}" if adapter else "# adapter: file:adapter",
        requests=scalar(relative(str(used), output)),
        max_tokens=max_tokens,
        max_spend=scalar(max_spend),
    )
    write_checked(context, output, text, load_spec, then=f"swarm job post {output} --dry-run")


_TEMPLATE = """\
# yaml-language-server: $schema=docs/schema/v1/inference.json
version: 1
type: inference
name: infer
model: {model}
{adapter}
input: {requests}
output: results.jsonl         # what the delivered file is called
sampling:
  temperature: 0.0            # 0 is greedy; above it a token is drawn with pinned noise
  max_tokens: {max_tokens}
  seed: 0
shards: {{ batch: 8 }}          # 8 share a forward pass; size: requests in a segment, 64 or more where not said
verification: proof           # judges check a shard's tokens with one forward pass; exact: they repeat it
hardware_class: cpu-fp32
budget: {{ max_total: {max_spend} }}   # the most you can ever pay; the rest returns
segment_seconds: 600          # the longest a segment may take
run_seconds: 7200             # and the whole job
"""
