# SPDX-License-Identifier: Apache-2.0
"""Running segments and reading results: what seller, judge and buyer do alike, from store, runner and workload.

inputs (content into a cache) · quota (how large it may grow) · segments (run, check, open) ·
results (publish, read, verify) · golden (a job whose result is known).
A judge re-executes through the very code the seller ran, so it lives below both.
"""
