# SPDX-License-Identifier: Apache-2.0
"""The seller's worker: plan (pure: what to do next) and worker (the loop that observes, plans and acts)."""
