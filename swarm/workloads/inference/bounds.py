# SPDX-License-Identifier: Apache-2.0
"""Certified bounds of hardware class cpu-fp32: of each figure the largest that is accepted, the largest not rejected.

From benchmarks/results/inference_rows.json (benchmarks/detection_rows/inference.py): honest answers of
SmolLM2-135M-Instruct and of a small random model, with other threads, batches, attention kernels, instruction sets.
Rounding of fp32 moved a logit by about 1e-5, so a token that is not the best one for us falls short by less than 1e-4.
Accept is some ten times that noise, reject ten times accept. A larger model needs rows of its own. A module and no data
file: the job image holds modules only.
"""

from __future__ import annotations

BOUNDS: dict[str, tuple[float, float]] = {
    "mean_margin": (5e-5, 5e-4),
    "worst_request_margin": (1e-4, 1e-3),
    "tail_share": (0.0, 0.01),
    "mean_logit_error": (1e-4, 2e-3),
    "worst_request_logit_error": (2e-4, 4e-3),
}
