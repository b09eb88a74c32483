"""Writes a repeated call of a rule for the delay server."""

from __future__ import annotations

from policy.zone import ZoneError

PYTHON = "irods_rule_engine_plugin-python-instance"


def repeated(rule: str, argument: str, every: int) -> tuple[str, str]:
    """Condition and text for delayExec.

    The text is code: only a name and a JSON text get into it, the latter as a Python literal.
    """
    if not rule.isidentifier():
        raise ZoneError(f"{rule!r} is not a rule name")
    where = f"<INST_NAME>{PYTHON}</INST_NAME><PLUSET>1s</PLUSET><EF>{every:d}s REPEAT FOR EVER</EF>"
    return where, f"callback.{rule}({argument!r}, '')"
