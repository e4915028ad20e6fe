# SPDX-License-Identifier: Apache-2.0
"""What a job means: spec (what a person writes and what travels), dataset, segments (order and rates, pure), initial
(the first state), tensors (safetensors headers), exact (comparator), adapter (what the buyer receives)."""
