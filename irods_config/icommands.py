"""Runs iCommands, with argument lists: nothing goes through a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PYTHON_ENGINE = "irods_rule_engine_plugin-python-instance"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NO_ROWS = "CAT_NO_ROWS_FOUND"


class SetupError(Exception):
    """A fault that the administrator must repair; the message says what was tried and what the answer was."""


def name(text: str) -> str:
    """Returns a name of a user, group, resource or zone that a command or a query can hold.

    SetupError for any other text.
    """
    if not _NAME.fullmatch(text):
        raise SetupError(f"{text!r} cannot be a name here: use letters, digits, `_`, `.` and `-`")
    return text


@dataclass(frozen=True)
class ICommands:
    """iCommands of one user. `home` holds the .irods folder with the environment and the login."""

    home: Path
    bin: Path = Path("/usr/bin")
    variables: dict[str, str] = field(default_factory=dict)

    def acting_as(self, user: str) -> ICommands:
        """Returns the same login, acting for another user (clientUserName), as an administrator may."""
        return ICommands(self.home, self.bin, {**self.variables, "clientUserName": name(user)})

    def run(self, *arguments: str, text: str = "", timeout: float = 120.0) -> str:
        """Runs the command; returns its output. SetupError if it fails or does not end within `timeout` seconds."""
        done = self.attempt(*arguments, text=text, timeout=timeout)
        if done.returncode != 0:
            raise SetupError(f"{arguments[0]} {' '.join(arguments[1:3])}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def attempt(self, *arguments: str, text: str = "", timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Runs the command to its end, whatever its status."""
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.home), "LANG": "C.UTF-8", **self.variables}
        command = [str(self.bin / arguments[0]), *arguments[1:]]
        try:
            return subprocess.run(
                command,
                input=text,
                capture_output=True,
                text=True,
                timeout=timeout,
                env=environment,
                cwd="/",
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SetupError(f"{arguments[0]} did not end within {timeout:.0f} s") from error
        except OSError as error:
            raise SetupError(f"{command[0]}: {error.strerror}; are the iCommands installed?") from error

    def answers(self) -> bool:
        """Whether the server takes this login."""
        return self.attempt("ips", timeout=30).returncode == 0

    def query(self, *columns: str, where: str = "") -> list[tuple[str, ...]]:
        """Returns the rows of a GenQuery; `where` may hold only names that `name` has checked."""
        text = f"select {', '.join(columns)}" + (f" where {where}" if where else "")
        done = self.attempt("iquest", "--no-page", "\x1f".join(["%s"] * len(columns)), text)
        if _NO_ROWS in done.stdout + done.stderr:
            return []
        if done.returncode != 0:
            raise SetupError(f"iquest: {(done.stderr or done.stdout).strip()}")
        return [
            tuple(line.split("\x1f"))
            for line in done.stdout.splitlines()
            if "\x1f" in line or (len(columns) == 1 and line)
        ]

    def rule(self, rule: str, request: dict[str, Any] | None = None, timeout: float = 300.0) -> dict[str, Any]:
        """Calls a rule through the Python engine; returns its JSON answer. SetupError for an error."""
        text = f"import json\nreply = callback.{_rule_name(rule)}({json.dumps(request or {})!r}, '')['arguments'][1]\n"
        printed = self.python(text + "callback.writeLine('stdout', 'MRDATA' + reply)", timeout=timeout)
        _, found, reply = printed.rpartition("MRDATA")
        if not found:
            raise SetupError(f"{rule}: the server answered {printed.strip()!r}")
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise SetupError(f"{rule}: {answer['error']}")
        return answer

    def python(self, body: str, timeout: float = 300.0) -> str:
        """Runs Python in the server's rule engine, as administrators may; returns what it wrote to stdout."""
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".r") as file:
            file.write(f"def main(rule_args, callback, rei):\n{lines}INPUT null\nOUTPUT ruleExecOut\n")
            file.flush()
            return self.run("irule", "-r", PYTHON_ENGINE, "-F", file.name, timeout=timeout)


def _rule_name(rule: str) -> str:
    if not rule.isidentifier():
        raise SetupError(f"{rule!r} is not a rule name")
    return rule


def of_service_account() -> ICommands:
    """Returns the iCommands of the unix user that runs the server: its login is the zone's first administrator."""
    import pwd

    return ICommands(Path(pwd.getpwuid(os.getuid()).pw_dir))
