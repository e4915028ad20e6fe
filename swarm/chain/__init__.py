# SPDX-License-Identifier: Apache-2.0
"""Bindings to the chain: the only importer of web3.

client (calls, and one look at the chain) · endpoints (several RPC addresses as one) · outbox (nonces, fees) ·
snapshot (what a look keeps of the last one) · faults (their errors in our terms) · jobs (a job from its events) ·
vault, escrow, court, beacon, token (a typed wrapper per contract) ·
reverts (custom errors as exceptions) · keystore · network (addresses and endpoints) · drand (seeds) ·
deploy, devnet, drand_signer (a chain of one's own) · artifacts (ABIs).

Importing web3 takes two seconds: import from the modules, inside commands.
"""
