# SPDX-License-Identifier: Apache-2.0
"""A judge's journal."""

import pytest

from swarm.journal import Journal


@pytest.fixture
def journal(tmp_path):
    kept = Journal(tmp_path / "verifier.sqlite")
    yield kept
    kept.close()
