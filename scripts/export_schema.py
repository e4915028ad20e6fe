#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/schema/v1/TYPE.json and docs/spec.md from the models that check specs; `--check` only compares."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    check = parser.parse_args().check
    texts = build()
    stale = [name for name, text in texts.items() if _current(name) != text]
    if check and stale:
        sys.exit(f"stale: {', '.join(stale)} (run python3 scripts/export_schema.py)")
    for name in [] if check else stale:
        (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / name).write_text(texts[name], "utf-8")
    print(f"{len(texts)} files are current" if check else f"{len(texts)} files, {len(stale)} written")


def build() -> dict[str, str]:
    """The files' contents by their path below the repository."""
    from swarm.workloads.schema import reference, schema_text
    from swarm.workloads.spec import SPECS

    return {f"docs/schema/v1/{kind}.json": schema_text(kind) for kind in SPECS} | {"docs/spec.md": reference()}


def _current(name: str) -> str | None:
    path = ROOT / name
    return path.read_text("utf-8") if path.exists() else None


if __name__ == "__main__":
    main()
