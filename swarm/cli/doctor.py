# SPDX-License-Identifier: Apache-2.0
"""`swarm doctor`: is this machine fit to sell or judge, and what to do about each thing that is not."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections import Counter
from pathlib import Path

import click

from swarm.cli.checks import Record, Status, checks
from swarm.cli.common import Context, example, with_context
from swarm.cli.redaction import redact

EXIT_CODE = 14
_LOG_BYTES = 200_000


@click.command(epilog=example("swarm doctor\nswarm doctor --bundle report.tar.gz"))
@click.option("--bundle", type=click.Path(path_type=Path), help="Also write a report to send to somebody; no secrets.")
@with_context
def command(context: Context, bundle: Path | None) -> None:
    """Check machine, sandbox, chain, store, account and money; exits 14 when a check fails."""
    from swarm.errors import UsageError

    if bundle and bundle.exists():
        raise UsageError(f"{bundle} exists already", hint="name another file")
    found = []
    for record in checks(context):
        found.append(record)
        if context.screen.mode == "human":
            _print(record)
    counted = Counter(record.status for record in found)
    _summarise(context, found, counted)
    if bundle:
        _write_bundle(context, found, bundle)
        context.screen.note(f"wrote {bundle}: look into it before you send it")
    if counted[Status.FAIL]:
        click.get_current_context().exit(EXIT_CODE)


def _print(record: Record) -> None:
    colours = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red"}
    # click drops colours where the output is no terminal.
    click.echo(f"{click.style(record.status.name, fg=colours[record.status])} {record.id:<19} {record.actual}")
    if record.status is not Status.PASS:
        click.echo(f"     {'needs':<19} {record.required} ({record.purpose})")
        click.echo(f"     {'fix':<19} {record.remedy}")


def _summarise(context: Context, found: list[Record], counted: Counter[Status]) -> None:
    numbers = {status.value: counted[status] for status in Status}
    if context.screen.mode == "json":
        click.echo(json.dumps({"version": 1, "counts": numbers, "checks": [record.to_json() for record in found]}))
    elif context.screen.mode == "quiet":
        for record in found:
            if record.status is Status.FAIL:
                click.echo(record.id)
    else:
        click.echo(" · ".join(f"{count} {name}" for name, count in numbers.items()))


def _write_bundle(context: Context, found: list[Record], path: Path) -> None:
    from swarm.cli.worker_views import LOG_NAME, status_facts
    from swarm.config import KEYS

    settings = {key: (setting := context.config.setting(key)) and [setting.value, setting.origin] for key in KEYS}
    files = {
        "doctor.json": json.dumps([record.to_json() for record in found], indent=1),
        "settings.json": json.dumps(settings, indent=1),
        "status.json": json.dumps(status_facts(context), indent=1),
        LOG_NAME: _tail(context.home / LOG_NAME),
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            data = redact(text).encode()
            entry = tarfile.TarInfo(f"swarm-report/{name}")
            entry.size, entry.mtime = len(data), int(time.time())
            archive.addfile(entry, io.BytesIO(data))


def _tail(path: Path) -> str:
    try:
        return path.read_bytes()[-_LOG_BYTES:].decode("utf-8", "replace")
    except OSError:
        return ""
