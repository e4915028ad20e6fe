# SPDX-License-Identifier: Apache-2.0
"""The workload of a spec, by its type."""

from __future__ import annotations

from swarm.workloads.container.workload import ContainerWorkload
from swarm.workloads.fields import Spec
from swarm.workloads.inference.workload import InferenceWorkload
from swarm.workloads.lora.workload import LoraWorkload
from swarm.workloads.sweep.workload import TrialsWorkload
from swarm.workloads.workload import Workload

WORKLOADS: dict[str, Workload] = {
    "container": ContainerWorkload(),
    "inference": InferenceWorkload(),
    "lora": LoraWorkload(),
    "trials": TrialsWorkload(),
}


def workload_of(spec: Spec) -> Workload:
    """What a job of this spec means."""
    return WORKLOADS[spec.type]
