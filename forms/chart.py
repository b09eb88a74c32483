"""Plots as SVG, drawn on the server: the pages' policy lets no script draw, and no style stand in an element."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from markupsafe import Markup, escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 1800, 300, 90, 38, 12
COLOURS = 6
"""Classes `bar0` to `bar5` of the style sheet."""


def volume(days: Sequence[tuple[str, dict[str, int]]], scanners: Sequence[str]) -> Markup:
    """Stacked bars of the bytes of each day, one colour for each scanner, with a table's worth of text for screen
    readers.
    """
    top = scale(max((sum(sizes.values()) for _, sizes in days), default=0))
    step = (WIDTH - LEFT) / max(1, len(days))
    total = sum(sum(sizes.values()) for _, sizes in days)
    parts = [_axis(top)]
    for position, (day, sizes) in enumerate(days):
        parts.append(_bars(LEFT + position * step, step, day, sizes, scanners, top))
        if (len(days) - 1 - position) % 7 == 0:
            middle = LEFT + (position + 0.5) * step
            parts.append(
                f'<text class="tick" x="{middle:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{escape(day[5:])}</text>'
            )
    if not total:
        parts.append(f'<text class="nothing" x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle">nothing yet</text>')
    today = sum(days[-1][1].values()) if days else 0
    title = escape(f"Archived on each of the last {len(days)} days; {human(total)} in all, {human(today)} today")
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>'
    return Markup(f"{head}{''.join(parts)}</svg>")  # every text in it is escaped


def _axis(top: int) -> str:
    lines = []
    for part in (0, 0.5, 1) if top > 1 else (0,):
        y = _y(part * top, top)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 6:.1f}" text-anchor="end">{human(part * top)}</text>')
    return "".join(lines)


def _bars(x: float, step: float, day: str, sizes: dict[str, int], scanners: Sequence[str], top: int) -> str:
    parts, below = [], 0
    for number, name in enumerate(dict.fromkeys([*scanners, *sizes])):
        size = sizes.get(name, 0)
        if size:
            upper, lower = _y(below + size, top), _y(below, top)
            shape = (
                f'x="{x + step * 0.12:.1f}" y="{upper:.1f}" width="{step * 0.76:.1f}"'
                f' height="{max(lower - upper, 1):.1f}"'
            )
            parts.append(
                f'<rect class="bar{number % COLOURS}" {shape}><title>{escape(day)} {escape(name)}:'
                f" {human(size)}</title></rect>"
            )
            below += size
    return "".join(parts)


def _y(size: float, top: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * size / top


def scale(largest: int) -> int:
    """The end of an axis: 1, 2, 3 or 5 times a power of ten.

    >>> scale(0), scale(70), scale(120_000)
    (1, 100, 200000)
    """
    if largest <= 1:
        return 1
    power: int = 10 ** int(log10(largest))
    return next(factor * power for factor in (1, 2, 3, 5, 10) if factor * power >= largest)


def human(size: float) -> str:
    """Bytes, short.

    >>> human(0), human(500), human(1_500_000), human(20_000_000_000)
    ('0', '500 B', '1.5 MB', '20 GB')
    """
    if not size:
        return "0"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if size >= 100 else f"{size:.3g} {unit}"
        size /= 1000
    raise AssertionError
