# SPDX-License-Identifier: Apache-2.0
"""`swarm init sweep`: a commented search over a LoRA or container spec that is there."""

from __future__ import annotations

from pathlib import Path

import click

from swarm.cli.common import Context, example, with_context
from swarm.cli.data import scalar
from swarm.cli.init_writing import refuse_existing, relative, write_checked


@click.command(epilog=example("swarm init sweep --from lora.yaml"))
@click.option("--from", "template", required=True, type=click.Path(path_type=Path), help="LoRA or container spec.")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("sweep.yaml"), show_default=True)
@click.option("--max-spend", default="10", show_default=True, help="Tokens: the most the whole sweep can ever cost.")
@with_context
def command(context: Context, template: Path, output: Path, max_spend: str) -> None:
    """Write a sweep over a spec: which parameters, how many runs, when a run is stopped early."""
    from swarm.errors import SpecError
    from swarm.workloads.spec import load_spec
    from swarm.workloads.sweep.search import load_sweep

    refuse_existing(output)
    spec = load_spec(template)
    if spec.type not in ("lora", "container"):
        raise SpecError(f"{template.name}: type: found {spec.type!r}, expected lora or container")
    where = relative(str(template), output).removeprefix("file:")
    given = {"name": f"{spec.name[:57]}-sweep", "template": scalar(where), "max_spend": scalar(max_spend)}
    if spec.type == "lora":
        steps = spec.training.max_steps
        given["least"] = max(1, steps // 9) if steps else 10
    text = (_LORA if spec.type == "lora" else _PROGRAM).format(**given)
    write_checked(context, output, text, load_sweep, then=f"swarm sweep run {output} --dry-run")


_LORA = """\
# A search for the best training of a LoRA template; docs/sweeps.md has every key.
version: 1
type: sweep
name: {name}
method: bayes                 # grid | random | bayes
metric: {{ name: eval_loss, goal: minimize }}
run_cap: 20
parallel: 4                   # trials under way at once
per_job: 4                    # trials in one job, so for one seller
parameters:                   # keys of the template's training
  training.learning_rate: {{ distribution: log_uniform_values, min: 1.0e-5, max: 1.0e-3 }}
groups:                       # values that move together
  - {{ training.lora_r: 8, training.lora_alpha: 16 }}
  - {{ training.lora_r: 16, training.lora_alpha: 32 }}
early_terminate: {{ type: asha, min_iter: {least}, eta: 3 }}   # the best third goes on
canary: 1                     # nothing else starts before one run succeeded
abort_if: {{ consecutive_failures: 3 }}
budget: {{ max_total: {max_spend} }}   # a hard cap; max_per_run: an even share where it is not said
keep_artifacts: {{ best: 1 }}
val_set_size: 0.1             # held out of the template's data; or validation: file:heldout.jsonl
template: {template}
"""

_PROGRAM = """\
# A search for the best parameters of a program in a container; docs/sweeps.md has every key.
version: 1
type: sweep
name: {name}
method: random                # grid | random | bayes
metric: {{ name: loss, goal: minimize }}   # a number in the /outputs/metrics.json that the program leaves
run_cap: 20
parallel: 4                   # trials under way at once; each is a job of its own
parameters:                   # --lr=… where args says ${{args}} or none of W&B's words; env.NAME: a variable
  lr: {{ distribution: log_uniform_values, min: 1.0e-4, max: 1.0e-1 }}
  env.SEED: {{ values: [1, 2, 3] }}
# early_terminate: {{ type: asha, min_iter: 1, eta: 3, max_iter: 9 }}   # $TRIAL_LAST_STEP, /inputs/trial/files
canary: 1                     # nothing else starts before one run succeeded
abort_if: {{ consecutive_failures: 3 }}
budget: {{ max_total: {max_spend} }}   # a hard cap; max_per_run: an even share where it is not said
keep_artifacts: {{ best: 1 }}
program: {template}
"""
