# SPDX-License-Identifier: Apache-2.0
"""Bindings to the chain: the only importer of web3.

client (transport, signing, waiting) · vault, escrow, court, beacon, token (a typed wrapper per contract) ·
reverts (custom errors as exceptions) · keystore · network (addresses and endpoints) · drand (seeds) ·
deploy, devnet, drand_signer (a chain of one's own) · artifacts (ABIs).

Importing web3 takes two seconds: import from the modules, inside commands.
"""
