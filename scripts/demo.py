#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job, end to end: a LoRA fine-tune of a real model is bought, run, audited and paid, and a cheat is slashed.

Needs Python 3.11+ and the package registries; makes its own environments (see scripts/environment.py).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", metavar="FILE", help="write what happened as JSON")
    parser.add_argument("--keep", action="store_true", help="leave the devnet running and print commands to try")
    parser.add_argument("--directory", metavar="DIR", help="keep the story's files and logs there")
    parser.add_argument("--sandbox", choices=["auto", "docker", "process"], default="auto", help="default: auto")
    parser.add_argument("--setup-only", action="store_true", help="install everything, play nothing")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 — run by whatever python3 the machine has
        sys.exit("error: Python 3.11 or newer is needed, this is " + sys.version.split()[0])
    from scripts import environment

    try:
        set_up(environment, with_image=options.sandbox != "process")
    except environment.SetupFailed as error:
        sys.exit(f"error: {error}")
    if options.setup_only:
        return
    passed_on = [argument for argument in sys.argv[1:] if argument != "--setup-only"]
    python = environment.python()
    os.execve(python, [python, "-m", "scripts.story.main", *passed_on], environment.node_env() | _quiet())


def set_up(environment, *, with_image: bool) -> None:
    """Everything the story needs; a second run only compares digests."""
    os.chdir(environment.ROOT)
    environment.ensure_packages()
    environment.ensure_node_packages("chain")
    environment.ensure_model()
    if with_image:
        # Without an engine or a base image the story says why and goes on with processes.
        with contextlib.suppress(environment.SetupFailed):
            environment.ensure_job_image()


def _quiet() -> dict[str, str]:
    return {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    main()
