# SPDX-License-Identifier: Apache-2.0
"""Structured log lines: an event named as on chain, then its facts. Human or JSON, on stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

FILE_BYTES, FILES_KEPT = 5 << 20, 3
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


def set_up(*, as_json: bool = False, file: Path | None = None) -> None:
    """Sends this project's log lines to stderr, and as JSON to `file`; libraries stay silent below warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if as_json else _Human())
    handlers: list[logging.Handler] = [handler]
    if file is not None:
        handlers.append(_file_handler(file))
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    for name in ("swarm", "verifier"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def human(entry: dict[str, Any]) -> str:
    """A line of the JSON form as people read it."""
    facts = {name: value for name, value in entry.items() if name not in ("ts", "level", "log", "event")}
    when = time.strftime("%m-%d %H:%M:%S", time.localtime(entry.get("ts", 0)))
    level = entry.get("level", "info")
    mark = "" if level == "info" else f"{level} "
    tail = " ".join(f"{name}={value}" for name, value in facts.items())
    return f"{when} {mark}{entry.get('event', '')} {tail}".rstrip()


def _file_handler(path: Path) -> logging.Handler:
    from logging.handlers import RotatingFileHandler

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    # A full disk: stderr has the line, a traceback for each would only bury it.
    handler.handleError = lambda record: None
    handler.setFormatter(_Json())
    return handler
