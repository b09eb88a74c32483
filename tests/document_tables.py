"""The tables of docs/reference that are made from the code.

`python -m tests.document_tables` writes them. A page holds a table between the lines `<!-- table: NAME -->` and
`<!-- end of table -->`. `tests/unit/test_documents.py` compares.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from unittest.mock import patch

import click

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
_COMMANDS = ("answers", "setup_zone", "install", "backup", "restore")


def written(text: str) -> str:
    """The page with its tables as the code is now."""
    return _TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", text)


def pages() -> Iterator[Path]:
    """Pages that hold tables."""
    return (page for page in sorted(DOCS.rglob("*.md")) if _TABLE.search(page.read_text(encoding="utf-8")))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[cell.replace("|", "\\|") for cell in row] for row in [head, *rows]]
    return "\n".join("| " + " | ".join(row) + " |" for row in [lines[0], ["--"] * len(lines[0]), *lines[1:]])


def _source(module: str) -> ast.Module:
    return ast.parse(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))


def _sentences(module: str, name: str) -> dict[str, str]:
    """Attribute of a class -> the text that stands below it."""
    (body,) = (node.body for node in _source(module).body if isinstance(node, ast.ClassDef) and node.name == name)
    found = {}
    for before, after in itertools.pairwise(body):
        target = before.target if isinstance(before, ast.AnnAssign) else before.targets[0] if isinstance(before, ast.Assign) else None  # fmt: skip
        if isinstance(target, ast.Name) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[target.id] = " ".join(str(after.value.value).split())
    return found


def _settings() -> str:
    from policy.zone.settings import Settings

    return _table(["key", "default", "meaning"], _keys(Settings, ""))


def _keys(cls: type, prefix: str) -> Iterator[list[str]]:
    told = _sentences(cls.__module__, cls.__name__)
    for one in fields(cls):
        default = one.default if one.default_factory is MISSING else one.default_factory()
        if is_dataclass(default):
            yield from _keys(type(default), f"{prefix}{one.name}.")
            continue
        shown = "" if default is MISSING or default == "" else f"`{_yaml(default)}`"
        yield [f"`{prefix}{one.name}`", shown, told[one.name]]
        if one.name == "hooks":
            from policy.zone.settings import Hook

            yield from _keys(Hook, f"{prefix}hooks.<name>.")


def _yaml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rules() -> str:
    from microservices.rules.rule_table import RULES

    files = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "rules").glob("*.r"))}
    rows = []
    for name, (permitted, rule, keys) in sorted(RULES.items()):
        called = [f"`{file}`" for file, text in files.items() if re.search(rf"mrdata_{name}\b", text)]
        first = (rule.__doc__ or "").split("\n\n")[0]
        keys = ", ".join(f"`{key}`" for key in keys.split())
        rows.append([f"`{name}`", " ".join(first.split()), keys, _CALLERS[permitted.name], ", ".join(called)])
    return _table(["rule", "what it does", "keys of the request", "who may call it", "rule file"], rows)


_CALLERS = {
    "SERVICE": "`mrdata`",
    "ADMINISTRATORS": "administrators",
    "STEWARDS": "data stewards, administrators",
}


def _rule_files() -> str:
    rows = []
    for path in sorted((ROOT / "rules").glob("*.r")):
        text = path.read_text(encoding="utf-8")
        head = " ".join(line[1:].strip() for line in text.split("\n#\n")[0].splitlines())
        names = re.findall(r"\*(\w+)=", text.partition("\nINPUT ")[2].partition("\nOUTPUT")[0])
        rows.append([f"`{path.name}`", head, ", ".join(f"`*{name}`" for name in names)])
    return _table(["file", "what it does", "input"], rows)


def _enforcement_points() -> str:
    rows, told = [], dict(_REFUSING)
    for node in _source("rulebase.core").body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("pep_"):
            told[node.name] = " ".join((ast.get_docstring(node) or "").split())
            rows.append([f"`{node.name}`", told[node.name]])
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if names[0].startswith("pep_"):
                of = node.value.id if isinstance(node.value, ast.Name) else ""
                without = ", ".join(f"`{word.value}`" for word in getattr(node.value, "args", []))
                told |= {
                    name: told.get(of) or f"Refuses requests with {without}, except of administrators."
                    for name in names
                }
                rows += [[f"`{name}`", told[name]] for name in names]
    return _table(["enforcement point", "what it does"], rows)


_REFUSING = {
    "_administrators": "Refuses everybody except administrators.",
    "_administrators_and_servers": "Refuses everybody except administrators and other servers of the zone.",
}


def _delay_rules() -> str:
    from microservices.rules.rule_table import RULES
    from policy.schedule.delay_rules import periods
    from policy.zone.settings import settings_from

    rows = []
    for rule, seconds in periods(
        settings_from({"zone": "z", "castellum": {"source": "folder", "folder": "/x"}})
    ).items():
        name = rule.removeprefix("mrdata_")
        section = name.removesuffix("_poll")
        doc = " ".join((RULES[name][1].__doc__ or "").split("\n\n")[0].split())
        rows.append([f"`{rule}`", doc, f"`{section}.every_seconds`", str(seconds)])
    return _table(["delay rule", "what it does", "its period", "default, in seconds"], rows)


def _states() -> str:
    from policy.zone.experiment import OPEN, State

    told = _sentences("policy.zone.experiment", "State")
    rows = [[f"`{state}`", told[state.name], "yes" if state in OPEN else "no"] for state in State]
    return _table(["state", "meaning", "accepts files"], rows)


def _acts() -> str:
    from policy.studies.state import TABLE
    from policy.zone.experiment import State

    told = _sentences("policy.studies.state", "Act")
    named = lambda states: ", ".join(f"`{state}`" for state in State if state in states)  # noqa: E731
    rows = [[f"`{act}`", named(before), named(after), told[act.name]] for act, (before, after) in TABLE.items()]
    return _table(["act", "from", "to", "by"], rows)


def _enum(module: str, name: str, head: str) -> Callable[[], str]:
    def table() -> str:
        told = _sentences(module, name)
        members = getattr(importlib.import_module(module), name)
        return _table([head, "meaning"], [[f"`{member}`", told[member.name]] for member in members])

    return table


def _carriers() -> str:
    from policy.zone.carriers import CARRIERS

    return _table(["`guard.accept`", "the sentence of the quarantine"], [[f"`{n}`", t] for n, t in CARRIERS.items()])


def _errors() -> str:
    from policy.zone.error_kinds import ErrorKind

    told = _sentences("policy.zone.error_kinds", "ErrorKind")
    rows = [[f"`{kind}`", told[kind.name], str(kind.exit_status), str(kind.http_status)] for kind in ErrorKind]
    return _table(["kind", "meaning", "exit status of a command", "status of a page"], rows)


def _vocabulary() -> str:
    from microservices.dicom import dicom_technique as dicom
    from microservices.twix import twix_header as twix
    from policy.zone.vocabulary import UNITS

    rows = []
    for name, unit in UNITS.items():
        tags = [dicom._TEXTS.get(name), dicom._NUMBERS.get(name, (None,))[0], dicom._ENHANCED_TEXTS.get(name)]
        for group in (dicom._GROUP_TEXTS, dicom._GROUP_NUMBERS):
            tags.append(group[name][1] if name in group else None)
        elements = dict.fromkeys(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in tags if tag is not None)
        raw = [*twix._TEXTS.get(name, ()), *([twix._NUMBERS[name][0]] if name in twix._NUMBERS else [])]
        rows.append([f"`{name}`", unit, ", ".join(elements), ", ".join(f"`{field}`" for field in raw)])
    return _table(["attribute", "unit", "DICOM", "TWIX"], rows)


def _mrdata() -> str:
    from mrdata.cli import cli

    return "\n\n".join(_of_command(cli, "mrdata"))


def _of_command(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _of_command(command.commands[name], f"{path} {name}")
        if not command.invoke_without_command:
            return
    arguments = [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
    paragraphs = (command.help or "").split("\n\n")
    yield f"### {' '.join([path, *arguments])}\n\n" + "\n\n".join(" ".join(part.split()) for part in paragraphs)
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    if options:
        rows = [[", ".join(f"`{name}`" for name in (*p.opts, *p.secondary_opts)), " ".join((p.help or "").split())] for p in options]  # fmt: skip
        yield _table(["option", "meaning"], rows)


def _server_commands() -> str:
    return "\n\n".join(part for name in _COMMANDS for part in _of_parser(_parser(name)))


class _Seen(BaseException):
    """Ends a command where it would read its arguments."""


def _parser(module: str) -> ArgumentParser:
    found = []

    def keep(parser: ArgumentParser, *_: object) -> None:
        found.append(parser)
        raise _Seen

    with patch.object(ArgumentParser, "parse_args", keep):
        try:
            importlib.import_module(f"irods_config.{module}").main([])
        except _Seen:
            return found[0]
    raise AssertionError(f"irods_config.{module} reads no arguments")


def _of_parser(parser: ArgumentParser) -> Iterator[str]:
    given = [str(a.metavar or a.dest).upper() for a in parser._actions if not a.option_strings]
    yield f"### {' '.join([parser.prog, *given])}\n\n{' '.join((parser.description or '').split())}"
    rows = []
    for action in parser._actions:
        if "--help" not in action.option_strings:
            name = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{str(action.dest).upper()}`"
            text = " ".join((action.help or "").replace("(default: %(default)s)", "").split())
            if action.required and action.option_strings:
                text += " (required)"
            rows.append([name, text])
    yield _table(["option", "meaning"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "rules": _rules,
    "rule-files": _rule_files,
    "enforcement-points": _enforcement_points,
    "delay-rules": _delay_rules,
    "states": _states,
    "acts": _acts,
    "reasons": _enum("policy.ingest.decision", "Reason", "reason"),
    "errors": _errors,
    "events": _enum("policy.records.event", "Kind", "kind"),
    "carriers": _carriers,
    "vocabulary": _vocabulary,
    "mrdata": _mrdata,
    "server-commands": _server_commands,
}


def main() -> int:
    """Writes the tables into their pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        if (new := written(text)) != text:
            page.write_text(new, encoding="utf-8")
            print(page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
