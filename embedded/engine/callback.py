"""`callback`, through which rules reach other rules and microservices: as the Python rule engine plugin makes it (its
src/main.cpp).

First a rule of core.py of that name, which takes and gives texts only; then a microservice, whose number of arguments
and whose types must be right. Errors are RuntimeErrors whose text tells only the code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from embedded import types
from embedded.catalog.session import Session
from embedded.errors import IrodsError, name_of

MAX_ARGUMENTS = 10
_STRUCTS = (
    types.GenQueryInp,
    types.GenQueryOut,
    types.KeyValPair,
    types.FileLseekOut_t,
    types.RodsObjStat,
    types.BytesBuf,
)
Value = Any
"""What crosses between rules and microservices."""
Outputs = dict[int, Value]
"""What a microservice gives back, by the index of the argument."""


class Microservice(NamedTuple):
    """A microservice and how many arguments it takes."""

    name: str
    arguments: int
    function: Callable[..., Outputs | None]


REGISTRY: dict[str, Microservice] = {}


def microservice(name: str, arguments: int) -> Callable[[Callable[..., Outputs | None]], Callable[..., Outputs | None]]:
    """Registers a function `(agent, *arguments) -> outputs` under the microservice's name."""

    def register(function: Callable[..., Outputs | None]) -> Callable[..., Outputs | None]:
        REGISTRY[name] = Microservice(name, arguments, function)
        return function

    return register


def text(value: Value) -> str:
    """An argument that must be a text (STR_MS_T)."""
    if not isinstance(value, str):
        raise IrodsError("USER_PARAM_TYPE_ERR")
    return value


def given(value: Value) -> str:
    """An argument that must be a text and not `null` (parseMspForStr)."""
    if not isinstance(value, str) or value == "null":
        raise IrodsError("SYS_INVALID_INPUT_PARAM")
    return value


def integer(value: Value) -> int:
    """An argument that is an int or a text of one (parseMspForPosInt)."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        digits = value.strip()
        sign = digits[:1] in ("+", "-")
        end = next((i for i, c in enumerate(digits[sign:], int(sign)) if not c.isdigit()), len(digits))
        return int(digits[:end]) if end > sign else 0
    raise IrodsError("USER_PARAM_TYPE_ERR")


def keywords(value: Value, allowed: frozenset[str], default: str | None) -> dict[str, str]:
    """`key=value++++key=value` (parseMsKeyValStrForDataObjInp): the first `=` splits, a part without one is `default`'s
    value.

    USER_BAD_KEYWORD_ERR for a key that the microservice does not know; `null` ends the list.
    """
    found: dict[str, str] = {}
    source = text(value)
    for part in source.split("++++") if source else []:
        if part == "null":
            break
        key, equals, content = part.partition("=")
        if not equals:
            if default is None:
                raise IrodsError(-325000, "NO_KEY_WD_IN_MS_INP_STR")
            key, content = (part, "") if default == "keyWord" else (default, part)
        if key not in allowed:
            raise IrodsError("USER_BAD_KEYWORD_ERR", key)
        found[key] = content
    return found


class RuleHost(Protocol):
    """What a callback needs of the agent whose rule it was given to."""

    session: Session
    output: list[str]

    def has_rule(self, name: str) -> bool: ...

    def run_rule(self, name: str, rule_args: list[Any]) -> int: ...


class CallbackWrapper:
    """What a rule gets as `callback`: every attribute is a call. It is good until the rule that got it returns."""

    def __init__(self, agent: RuleHost) -> None:
        object.__setattr__(self, "_agent", agent)

    def __getattribute__(self, name: str) -> Callable[..., dict[str, Any]]:
        agent: RuleHost | None = object.__getattribute__(self, "_agent")

        def call(*arguments: Value) -> dict[str, Any]:
            if agent is None or object.__getattribute__(self, "_agent") is None:
                raise RuntimeError("callback used after the rule call that it was made for")
            return _call(agent, name, arguments)

        return call


def expire(callback: CallbackWrapper) -> None:
    """The rule call is over; on a server the callback now points nowhere."""
    object.__setattr__(callback, "_agent", None)


def failure(code: int, text: str) -> RuntimeError:
    """The exception that a rule sees."""
    return RuntimeError(f"[iRods__Error__Code:{code}] {text}")


def _call(agent: RuleHost, name: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
    values = [_converted(argument) for argument in arguments]
    try:
        code, outputs = _dispatch(agent, name, values)
    except IrodsError as error:
        agent.session.log(f"{name}: {error}")
        if error.code != -808000:
            raise failure(error.code, f"{name_of(error.code)}: exec_microservice_adapter failed") from None
        return {"code": error.code, "status": False, "arguments": values}
    for index, value in outputs.items():
        placeholder = values[index]
        fits = type(placeholder) is type(value) or (
            isinstance(value, types.FileLseekOut_t) and isinstance(placeholder, int)
        )
        if not fits:
            raise RuntimeError("boost::bad_any_cast: failed conversion using boost::any_cast")
        values[index] = value
    return {"code": code, "status": True, "arguments": values}


def _converted(argument: Value) -> Value:
    """An argument as it reaches C++: a text ends at its first NUL, an int has 32 bits."""
    if isinstance(argument, str):
        argument.encode()
        return argument.split("\0")[0]
    if isinstance(argument, _STRUCTS):
        return argument
    if isinstance(argument, bool) or not isinstance(argument, (int, float)):
        raise RuntimeError(
            "iRODS Exception: Attempted to extract a boost::python::object containing a non-conforming type"
        )
    if isinstance(argument, int) and not -types.INT_MAX - 1 <= argument <= types.INT_MAX:
        raise OverflowError("Python int too large to convert to C int")
    return argument


def _dispatch(agent: RuleHost, name: str, values: list[Any]) -> tuple[int, Outputs]:
    if agent.has_rule(name):
        if any(not isinstance(value, str) for value in values):
            raise IrodsError("SYS_NOT_SUPPORTED", f"rule {name} takes texts only")
        rule_args: list[Any] = list(values)
        code = agent.run_rule(name, rule_args)
        if code < 0:
            raise IrodsError(code, f"rule {name}")
        changed = {i: v for i, v in enumerate(rule_args[: len(values)]) if isinstance(v, str) and v != values[i]}
        return code, changed

    found = REGISTRY.get(name)
    if found is None:
        raise IrodsError("NO_MICROSERVICE_FOUND_ERR", name)
    if len(values) > MAX_ARGUMENTS or len(values) != found.arguments:
        raise IrodsError("ACTION_ARG_COUNT_MISMATCH", f"{name} takes {found.arguments} arguments")
    return 0, found.function(agent, *values) or {}
