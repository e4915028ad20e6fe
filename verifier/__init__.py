# SPDX-License-Identifier: Apache-2.0
"""The judge: plan (pure), replay (re-executes one segment), service (the loop), cli (`verifier …`).

It stands beside the seller and re-executes through the very code the seller ran (swarm.execution).
"""
