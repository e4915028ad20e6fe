# SPDX-License-Identifier: Apache-2.0
"""Batch inference: spec, requests (what the buyer asks), noise (the pinned sampler), results (a shard's files),
adapter (an optional LoRA, pinned), margins (from a check to a verdict), workload (all of it behind the port)."""
