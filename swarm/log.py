# SPDX-License-Identifier: Apache-2.0
"""Structured log lines: an event named as on chain, then its facts. Human or JSON, on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

SECRET_WORDS = ("passphrase", "password", "private_key", "salt", "secret")


class Log:
    """`log.info("result_submitted", job_id=7)`: one event a line; facts whose name sounds secret are never written."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **facts: Any) -> None:
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._write(logging.ERROR, event, facts)

    def _write(self, level: int, event: str, facts: dict[str, Any]) -> None:
        clean = {name: _plain(value) for name, value in facts.items() if not any(w in name for w in SECRET_WORDS)}
        self._logger.log(level, event, extra={"facts": clean})


def _plain(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else value


# A command that never calls `set_up` has its own words for what a person should read.
for _root in ("swarm", "verifier"):
    logging.getLogger(_root).addHandler(logging.NullHandler())


class _Human(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        tail = " ".join(f"{name}={value}" for name, value in facts.items())
        mark = "" if record.levelno == logging.INFO else record.levelname.lower() + " "
        return f"{time.strftime('%H:%M:%S')} {mark}{record.getMessage()} {tail}".rstrip()


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        head = {"ts": record.created, "level": record.levelname.lower(), "log": record.name}
        return json.dumps(head | {"event": record.getMessage()} | facts, default=str)


def set_up(*, as_json: bool = False) -> None:
    """Sends this project's log lines to stderr; libraries stay silent below warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Human())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("swarm", "verifier"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
