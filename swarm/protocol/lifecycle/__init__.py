# SPDX-License-Identifier: Apache-2.0
"""The protocol as a Python model: the pure twin of the contracts, and its reference text for readers of Python.

    vault.py      the token, stakes, seeds, sellers' records
    bench.py      judges' seats, bonds and draws
    ballots.py    committees: drawn, sealed, revealed, counted
    verdicts.py   which verdicts there are, and what they mean
    casefile.py   what the court stores, its rounds and bonds
    execution.py  rulings: tallied, appealed, carried out
    court.py      the drawn judge, challenges, canaries
    treasury.py   the escrow's till
    rulings.py    what each ruling does with the money of a job
    escrow.py     the life of a job
    due.py        which steps anybody may take now

A verb takes its caller, its arguments and the time; it either raises `Refused` with the name of the contract's error,
or changes
the market as the contract would, to the last unit. Seeds are brought from outside. Random traces drive both and
compare.
"""

from swarm.protocol.lifecycle.due import Step, due
from swarm.protocol.lifecycle.escrow import DonePart
from swarm.protocol.lifecycle.market import Market
from swarm.protocol.lifecycle.state import Refused

__all__ = ["DonePart", "Market", "Refused", "Step", "due"]
