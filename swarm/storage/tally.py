# SPDX-License-Identifier: Apache-2.0
"""What became of the requests for content, counted for the whole process: many short-lived objects make them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from swarm.errors import IntegrityError, NotFound

GATEWAY, DAEMON, PIN_SERVICE = "gateway", "daemon", "pin_service"
_counts: Counter[tuple[str, str]] = Counter()
_guard = threading.Lock()


def counts() -> dict[tuple[str, str], int]:
    """(peer, outcome) → requests since the start; outcomes are ok, absent, wrong (it lied) and failed."""
    with _guard:
        return dict(_counts)


@contextmanager
def counted(peer: str) -> Iterator[None]:
    """Counts one request by how it ends."""
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    except NotFound:
        outcome = "absent"
        raise
    except IntegrityError:
        outcome = "wrong"
        raise
    finally:
        with _guard:
            _counts[peer, outcome] += 1
