# SPDX-License-Identifier: Apache-2.0
"""`swarm init TYPE`: a spec to start from, written from what is at hand. Each type's module has a `command`."""

from __future__ import annotations

import click

from swarm.cli.main import LazyGroup

KINDS = {
    "container": ("swarm.cli.init_container", "From an image and a command."),
    "infer": ("swarm.cli.init_infer", "From requests and a model."),
    "lora": ("swarm.cli.init_lora", "From chat data and a base model."),
    "sweep": ("swarm.cli.init_sweep", "From a LoRA or container spec."),
}


@click.group(cls=LazyGroup, nouns=KINDS)
def command() -> None:
    """Write a commented spec to start from."""
