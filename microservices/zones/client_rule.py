"""Calls a rule of the rulebase from outside, as irule with the Python rule engine does: rodsadmins only.

The text of the rule is always the same but for a name; arguments travel as its input (irods_rule_vars), so they may be
of any length and are never read as code. The answer comes back on the rule's stdout.
"""

from __future__ import annotations

import io
import re

from irods.exception import iRODSException
from irods.rule import Rule
from irods.session import iRODSSession

from microservices.zones import error_codes
from microservices.zones.repetition import PYTHON
from policy.zone import ZoneError

_CODE = re.compile(r"\[iRods__Error__Code:(-?\d+)\]")
_TEXT = """
def main(rule_args, callback, rei):
    try:
        arguments = [irods_rule_vars["*a%d" % i] for i in range(int(irods_rule_vars["*count"]))]
        reply = "+" + str(callback.NAME(*arguments)["arguments"][-1])
    except RuntimeError as error:
        reply = "-" + str(error)
    callback.writeString("stdout", reply)
"""


def call(session: iRODSSession, name: str, *arguments: str, instance: str = PYTHON) -> str:
    """Calls the rule or microservice `name`; returns its last argument as the call leaves it.

    ZoneError with the code of the failure.
    """
    if not name.isidentifier() or not name.isascii():
        raise ZoneError(f"{name!r} is not a rule name")
    inputs = {"*count": str(len(arguments))} | {f"*a{i}": argument for i, argument in enumerate(arguments)}
    rule = Rule(
        session, io.StringIO(_TEXT.replace("NAME", name)), params=inputs, output="ruleExecOut", instance_name=instance
    )
    try:
        answered = rule.execute(session_cleanup=False)
    except iRODSException as error:
        raise error_codes.kind(error.code)(
            f"cannot call {name}: {type(error).__name__} ({error.code})", error.code
        ) from error
    text = _stdout(answered)
    if not text.startswith("+"):
        found = _CODE.search(text)
        code = int(found[1]) if found else 0
        raise error_codes.kind(code)(f"cannot call {name}: iRODS error {code}", code)
    return text[1:]


def _stdout(answered: object) -> str:
    for parameter in getattr(answered, "MsParam_PI", ()):
        if parameter.type == "ExecCmdOut_PI" and parameter.inOutStruct.stdoutBuf is not None:
            buffer = parameter.inOutStruct.stdoutBuf
            return bytes((buffer.buf or b"")[: buffer.buflen]).rstrip(b"\0").decode("utf-8")
    return ""
