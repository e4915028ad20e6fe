# SPDX-License-Identifier: Apache-2.0
"""The judge: view (what it sees) and observer (reads it), actions and plan (pure), replay (re-executes one segment,
checks a claim or fetches a result), replays (the thread they run in), materials (of what), workspaces (where), finding
and evidence (what it found), fallback (a seed where drand is silent), queue (what it owes), fees (what it has earned),
selftest (may this machine judge at all), service (the loop), cli (`verifier …`).

It stands beside the seller and re-executes through the very code the seller ran (swarm.execution).
"""
