# SPDX-License-Identifier: Apache-2.0
"""Faults the tests must notice. `scripts/mutate.py` puts each into a copy of the contracts."""

from tests.mutation.court import COURT_FAULTS
from tests.mutation.escrow import ESCROW_FAULTS
from tests.mutation.fault import KINDS, Fault
from tests.mutation.judges import JUDGE_FAULTS
from tests.mutation.money import MONEY_FAULTS
from tests.mutation.posting import POSTING_FAULTS
from tests.mutation.randomness import RANDOMNESS_FAULTS
from tests.mutation.vault import VAULT_FAULTS

FAULTS: tuple[Fault, ...] = (
    *VAULT_FAULTS,
    *POSTING_FAULTS,
    *ESCROW_FAULTS,
    *MONEY_FAULTS,
    *COURT_FAULTS,
    *JUDGE_FAULTS,
    *RANDOMNESS_FAULTS,
)

__all__ = ["FAULTS", "KINDS", "Fault"]
