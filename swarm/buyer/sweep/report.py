# SPDX-License-Identifier: Apache-2.0
"""A sweep as one self-contained HTML page: table, best-so-far curve, parallel coordinates. No script, no network."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from swarm.buyer.sweep.plan import View
from swarm.buyer.sweep.table import counts, progress, rows

_WIDTH, _HEIGHT, _MARGIN = 860, 260, 44
_STYLE = """body{font:14px system-ui,sans-serif;margin:2em auto;max-width:900px;color:#222}
table{border-collapse:collapse;font-size:12px;display:block;overflow-x:auto}
td,th{border-bottom:1px solid #ddd;padding:3px 8px;text-align:right;white-space:nowrap}
th{background:#f4f4f4}svg{background:#fafafa}text{font-size:11px;fill:#555}"""


def report(view: View, sweep_id: str, spent: str) -> str:
    """The page. Everything a seller or a person wrote is escaped."""
    table = rows(view)
    name = view.sweep.metric.name
    told = " · ".join(f"{count} {state}" for state, count in counts(view).items() if count)
    parts = [
        f"<h1>{_text(view.sweep.name)} <small>{_text(sweep_id)}</small></h1>",
        f"<p>{_text(view.sweep.method)} · {_text(told)} · spent {_text(spent)} TOK</p>",
        f"<h2>Best {_text(name)} so far</h2>",
        curve(progress(view)),
        "<h2>Parallel coordinates</h2>",
        parallel(table, name),
        "<h2>Runs</h2>",
        _table(table),
    ]
    title = f"<title>{_text(view.sweep.name)}</title>"
    return f'<!doctype html><html><head><meta charset="utf-8">{title}<style>{_STYLE}</style></head><body>\n' + (
        "\n".join(parts) + "\n</body></html>\n"
    )


def curve(points: Sequence[tuple[int, float]]) -> str:
    """A line over the number of runs."""
    if not points:
        return "<p>No run has a result yet.</p>"
    xs, ys = [x for x, _ in points], [y for _, y in points]
    across, down = _scale(min(xs), max(xs)), _scale(max(ys), min(ys))
    line = " ".join(
        f"{_MARGIN + across(x) * (_WIDTH - 2 * _MARGIN):.1f},{_MARGIN + down(y) * (_HEIGHT - 2 * _MARGIN):.1f}"
        for x, y in points
    )
    labels = _label(4, _MARGIN, f"{max(ys):.4g}") + _label(4, _HEIGHT - _MARGIN, f"{min(ys):.4g}")
    labels += _label(_MARGIN, _HEIGHT - 10, f"run {min(xs)}") + _label(_WIDTH - 90, _HEIGHT - 10, f"run {max(xs)}")
    return _svg(f'<polyline points="{line}" fill="none" stroke="#2463eb" stroke-width="2"/>{labels}')


def parallel(table: list[dict[str, Any]], name: str) -> str:
    """One line a run over its parameters and its metric; darker is better."""
    sound = [row for row in table if row[name] is not None]
    axes = [key for key in _parameters(table) if len({str(row.get(key)) for row in sound}) > 1] + [name]
    if len(sound) < 2 or len(axes) < 2:
        return "<p>Too few runs to compare.</p>"
    places = {axis: _axis([row.get(axis) for row in sound]) for axis in axes}
    step = (_WIDTH - 2 * _MARGIN) / (len(axes) - 1)
    drawn = []
    # Worst first, so that the best lie on top.
    for at, row in enumerate(reversed(sound)):
        share = (at + 1) / len(sound)
        heights = [_MARGIN + places[axis](row.get(axis)) * (_HEIGHT - 2 * _MARGIN) for axis in axes]
        line = " ".join(f"{_MARGIN + place * step:.1f},{height:.1f}" for place, height in enumerate(heights))
        shade = f'stroke="#2463eb" stroke-opacity="{0.1 + 0.8 * share**3:.2f}"'
        drawn.append(f'<polyline points="{line}" fill="none" {shade}/>')
    for place, axis in enumerate(axes):
        x = _MARGIN + place * step
        drawn.append(f'<line x1="{x:.1f}" y1="{_MARGIN}" x2="{x:.1f}" y2="{_HEIGHT - _MARGIN}" stroke="#999"/>')
        drawn.append(_label(x - 30, _MARGIN - 12, axis))
    return _svg("".join(drawn))


def _parameters(table: list[dict[str, Any]]) -> list[str]:
    names = list(dict.fromkeys(name for row in table for name in row))
    return names[names.index("is_settled") + 1 :] if names else []


def _axis(values: Sequence[Any]):
    """Value → height in [0, 1], 1 at the bottom: numbers by size (logarithm over a wide range), words in order."""
    if not all(isinstance(value, int | float) for value in values):
        order = sorted({str(value) for value in values})
        scale = _scale(len(order) - 1, 0)
        return lambda value: scale(order.index(str(value)))
    low, high = min(values), max(values)
    if low > 0 and high / low >= 20:
        scale = _scale(math.log(high), math.log(low))
        return lambda value: scale(math.log(value))
    return _scale(high, low)


def _scale(start: float, end: float):
    width = (end - start) or 1.0
    return lambda value: (value - start) / width


def _svg(content: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%">{content}</svg>'


def _label(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}">{_text(text)}</text>'


def _table(table: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in table for name in row))
    head = "".join(f"<th>{_text(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_text(_shown(row.get(n)))}</td>" for n in names) + "</tr>" for row in table)
    return f"<table><tr>{head}</tr>{body}</table>"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def _text(value: str) -> str:
    return html.escape(str(value))
