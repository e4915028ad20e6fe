# SPDX-License-Identifier: Apache-2.0
"""The job type `trials`: a list of trials over one LoRA template, each of them one segment.

A sweep's controller makes these; nothing is chosen by the seller. A trial may be a part of a run: the steps from
`first_step` on, starting at the state that an earlier job left. `first_step` = `last_step` only evaluates a state.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from swarm.workloads.fields import GIB, MAX_SEGMENTS, Integer, IpfsUri, Need, Spec, Strict, Uri, matching
from swarm.workloads.lora.spec import Dataset, Training
from swarm.workloads.sweep.trial import merged, normal, trial_id
from swarm.workloads.verification import Verification

START = "start-"
_ID = matching(re.compile("[0-9a-f]{16}"), "16 hexadecimal digits")


class Trial(Strict):
    """One segment: which parameters differ from the template, which steps to take, from which state."""

    id: Annotated[str, _ID]
    training: dict[str, Any]
    first_step: Annotated[Integer, Field(ge=0)] = 0
    last_step: Annotated[Integer, Field(ge=1)]
    start: IpfsUri | None = None

    @property
    def state_name(self) -> str:
        """The name its program finds the start state by."""
        return START + self.id


class TrialsSpec(Spec):
    """Trials over one template. Always of the exact class: a sweep compares small differences."""

    type: Literal["trials"]
    base_model: Uri
    datasets: Annotated[tuple[Dataset, ...], Field(min_length=1, max_length=1)]
    validation: Uri
    training: Training
    trials: Annotated[tuple[Trial, ...], Field(min_length=1, max_length=MAX_SEGMENTS)]
    verification: Literal[Verification.EXACT] = Verification.EXACT
    hardware_class: Literal["cpu-fp32"] = "cpu-fp32"

    @property
    def segments(self) -> int:
        return len(self.trials)

    @property
    def needs(self) -> tuple[Need, ...]:
        states = {trial.state_name: trial.start for trial in self.trials if trial.start}
        return (
            Need("model", self.base_model, 64 * GIB, max_files=256, max_depth=2),
            Need("train.jsonl", self.datasets[0].path, 4 * GIB),
            Need("validation.jsonl", self.validation, 1 * GIB),
            *(Need(name, uri, 8 * GIB, max_files=16, max_depth=2) for name, uri in states.items()),
        )

    @model_validator(mode="after")
    def _sound(self) -> TrialsSpec:
        if len({trial.id for trial in self.trials}) != len(self.trials):
            raise ValueError("trials: expected every trial once")
        self.training.refuse_for(self.hardware_class)
        for at, trial in enumerate(self.trials):
            try:
                self._check(trial)
            except ValueError as error:
                raise ValueError(f"trials[{at}]: {error}") from error
        return self

    def _check(self, trial: Trial) -> None:
        training = merged(self.training, trial.training)
        if json.dumps(normal(self.training, trial.training)) != json.dumps(dict(sorted(trial.training.items()))):
            raise ValueError("a parameter is not in its canonical form")
        if trial.id != trial_id(trial.training, training.seed):
            raise ValueError(f"id {trial.id} does not follow from the parameters")
        if not training.max_steps or not trial.first_step <= trial.last_step <= training.max_steps:
            raise ValueError(f"steps {trial.first_step} to {trial.last_step}, expected within {training.max_steps}")
        if bool(trial.start) != bool(trial.first_step):
            raise ValueError("expected a start state exactly where the first step is not 0")
