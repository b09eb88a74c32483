"""The yearly report on the checksums, as a page for people and as a table."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from html import escape

from policy.archive import fixity_state
from policy.archive.fixity_state import Damage, State, Year
from policy.zone import layout
from policy.zone.context import Context

_NAMES = {
    "objects": "objects verified",
    "read": "bytes read",
    "repaired": "objects repaired from a good replica",
    "damaged": "looks at objects whose repair failed",
    "lost": "looks at objects without a good replica",
    "failed": "looks at objects that could not be reached",
    "drills": "restore drills",
    "drilled": "objects read back",
    "drill_faults": "objects that could not be read back",
}
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0"
    " 1rem;color:#1b1b1b}table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.3rem"
    " .8rem;border-bottom:1px solid #ccc}td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def write(context: Context, state: State, year: str) -> list[str]:
    """Writes both into the data stewards' collection, in place of older ones of that year; their paths."""
    counts, damage = state.years.get(year, Year()), fixity_state.damage(context, year)
    fixity_state.prepare(context)
    folder = f"{layout.fixity(context.settings)}/reports"
    context.zone.make_collection(folder)
    paths = []
    for ending, text in (("html", html(context, state, year, counts, damage)), ("csv", table(year, counts, damage))):
        paths.append(f"{folder}/fixity-{year}.{ending}")
        context.zone.write(paths[-1], text.encode())
    return paths


def html(context: Context, state: State, year: str, counts: Year, damage: list[Damage]) -> str:
    """A page without any other file."""
    rows = "".join(
        f"<tr><th scope=row>{_NAMES[name]}</th><td class=n>{value:,}</td></tr>"
        for name, value in asdict(counts).items()
    )
    found = "".join(
        f"<tr><td>{escape(d.time)}</td><td>{escape(d.outcome)}</td><td>{escape(', '.join(d.resources))}</td><td>{escape(d.path)}</td>"  # noqa: E501
        f"<td>{escape(d.text)}</td></tr>"
        for d in damage
    )
    head = "<tr><th>when</th><th>outcome</th><th>resources</th><th>object</th><th>what was seen</th></tr>"
    listed = f"<table><thead>{head}</thead><tbody>{found}</tbody></table>" if damage else "<p>No damage was found.</p>"
    settings = context.settings.fixity
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Fixity {escape(year)}</title><style>{_STYLE}</style>"
        f"<h1>Fixity of the archive {escape(context.settings.zone)}, {escape(year)}</h1>"
        f"<p>{state.total:,} bytes in all replicas, of which {settings.bytes_per_day:,} bytes a day are read again. "
        f"The checksum that was verified longest ago was verified on {escape(state.oldest) or 'no day yet'}; "
        f"forecast: none will be older than {state.forecast_days:.0f} days.</p>"
        f"<table>{rows}</table><h2>Damage</h2>{listed}</html>\n"
    )


def table(year: str, counts: Year, damage: list[Damage]) -> str:
    """CSV (RFC 4180): counts first, then a line for each damaged object."""
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(["year", "what", "count", "time", "resources", "object", "seen"])
    for name, value in asdict(counts).items():
        lines.writerow([year, _NAMES[name], value, "", "", "", ""])
    for d in damage:
        lines.writerow([year, d.outcome, "", d.time, " ".join(d.resources), _plain(d.path), _plain(d.text)])
    return text.getvalue()


def _plain(text: str) -> str:
    """A spreadsheet takes what begins like this for a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@") else text
