# SPDX-License-Identifier: Apache-2.0
"""`--set` and `--env`: the options of every command that reads a spec."""

from __future__ import annotations

from collections.abc import Callable

import click


def override_options(function: Callable) -> Callable:
    """Adds both; the command receives `sets` and `variables`."""
    for option in (
        click.option(
            "--env", "variables", multiple=True, metavar="NAME[=VALUE]", help="Stands for ${NAME} in the spec."
        ),
        click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="Change one key: training.lora_r=16."),
    ):
        function = option(function)
    return function
