# SPDX-License-Identifier: Apache-2.0
"""Sweeps: search (the spec a person writes, never posted), spec (the job type `trials` that travels), trial (ids and
settings), metrics (what a trial publishes), rungs (early termination), workload."""
