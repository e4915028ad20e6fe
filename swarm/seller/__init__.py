# SPDX-License-Identifier: Apache-2.0
"""The seller's worker: view (what it sees), offers (which jobs it would take, and why not), plan (pure: what to do
next), worker (the loop that observes, plans and acts).

What a person decides: policy (price, types, hours, sizes) and control (pause, drain, stop, hand back). Doing a job:
acceptance (looks before it leaps), runs (executes and publishes), checkpoints (whole segments survive), gas
(what the account still carries). Being seen: report and board.
"""
