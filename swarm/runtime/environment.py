# SPDX-License-Identifier: Apache-2.0
"""What a program is told through its environment; nothing of the host's environment reaches it."""

from __future__ import annotations

import math

from swarm.runtime.port import JobRun


def environment_of(run: JobRun, *, inputs: str, outputs: str, scratch: str) -> dict[str, str]:
    """The whole environment of a run; `scratch` is its writable temporary directory, caches included."""
    base = {
        "HOME": scratch,
        "TMPDIR": scratch,
        # Without a name, libraries would look for the user in a passwd file that may not be there.
        "USER": "job",
        "LOGNAME": "job",
        "XDG_CACHE_HOME": f"{scratch}/cache",
        "HF_HOME": f"{scratch}/cache/hf",
        "TORCHINDUCTOR_CACHE_DIR": f"{scratch}/cache/inductor",
        "TRITON_CACHE_DIR": f"{scratch}/cache/triton",
        "MPLCONFIGDIR": f"{scratch}/cache/matplotlib",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "OMP_NUM_THREADS": str(max(1, math.ceil(run.limits.cpus))),
        # Spinning threads make a step several times slower where cores are shared.
        "OMP_WAIT_POLICY": "passive",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    ours = {"SWARM_INPUTS": inputs, "SWARM_OUTPUTS": outputs, "CUDA_VISIBLE_DEVICES": run.gpu or ""}
    if run.gpu:
        # Kernels compiled at run time would fill the small scratch; the workspace makes cuBLAS repeat its own sums.
        ours |= {
            "CUDA_CACHE_DISABLE": "1",
            "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
            "NVIDIA_DRIVER_CAPABILITIES": "compute",
        }
    return base | dict(run.environment) | ours
