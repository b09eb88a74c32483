"""What MrData needs in server_config.json, as a change of the one that is there (iRODS
schemas/configuration/v5/server_config.json.in).
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from irods_config.icommands import PYTHON_ENGINE, SetupError
from irods_config.tls import TLSFiles

PYTHON_PLUGIN = "irods_rule_engine_plugin-python"
NATIVE_PLUGIN = "irods_rule_engine_plugin-irods_rule_language"
NATIVE_RULES = "mrdata"
"""Name of the native rulebase mrdata.re, which comes before core.re."""
NATIVE_OWN = ["ac[^ ]*", "msi[^ ]*"]
"""Static policy enforcement points and microservices, that the native engine's own core.re serves."""

Config = dict[str, Any]


def enforcement_points(core: Path) -> list[str]:
    """The policy enforcement points that a core.py has, read without running it. SetupError where there are none."""
    tree = ast.parse(core.read_text(encoding="utf-8"), str(core))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names |= {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    if found := sorted(name for name in names if name.startswith("pep_")):
        return found
    raise SetupError(f"{core} has no policy enforcement points")


def pattern(points: Sequence[str]) -> str:
    """One regular expression for all enforcement points: the server tries each of its list for every operation of every
    plugin.

    With 33 of them that was half of an agent's processor time.
    """
    prefix = "pep_api_"
    api = [point.removeprefix(prefix) for point in points if point.startswith(prefix)]
    others = [point for point in points if not point.startswith(prefix)]
    return "|".join([*([f"{prefix}(?:{'|'.join(api)})"] if api else []), *others])


def wanted(config: Config, points: Sequence[str], tls: TLSFiles, resource: str, sleep: int) -> Config:
    """The configuration with MrData's needs in it; everything else stays as it was.

    The lists of all engines are joined with `or` by the server, so that a wide one in any engine makes it look up every
    enforcement point in Python (server/re/src/irods_re_ruleexistshelper.cpp): each engine gets the same narrow one.
    """
    new = copy.deepcopy(config)
    engines: list[Config] = new["plugin_configuration"]["rule_engines"]
    found = [engine for engine in engines if engine["plugin_name"] == PYTHON_PLUGIN]
    python: Config = found[0] if found else {"plugin_name": PYTHON_PLUGIN}
    python["instance_name"] = PYTHON_ENGINE
    python.setdefault("plugin_specific_configuration", {})["regexes_for_supported_peps"] = [pattern(points)]
    others = [e for e in engines if e is not python]
    native = next((e for e in others if e["plugin_name"] == NATIVE_PLUGIN), None)
    if native is None:
        raise SetupError(
            "server_config.json has no native rule engine: it is what requires TLS of every client (acPreConnect)"
        )
    specific = native["plugin_specific_configuration"]
    specific["regexes_for_supported_peps"] = [*NATIVE_OWN, pattern(points)]
    specific["re_rulebase_set"] = [
        NATIVE_RULES,
        *(base for base in specific["re_rulebase_set"] if base != NATIVE_RULES),
    ]
    new["plugin_configuration"]["rule_engines"] = [python, *others]
    new["advanced_settings"]["delay_server_sleep_time_in_seconds"] = sleep
    new["default_hash_scheme"] = "SHA256"
    new["default_resource_name"] = resource
    new["client_server_policy"] = "CS_NEG_REQUIRE"
    new["tls_server"] = {
        "certificate_chain_file": str(tls.certificate),
        "certificate_key_file": str(tls.key),
        "dh_params_file": str(tls.dhparams),
    }
    new["tls_client"] = {"ca_certificate_file": str(tls.authority), "verify_server": "hostname"}
    return new


def differences(old: object, new: object, where: str = "") -> list[str]:
    """One line for each value that differs, without its text where that may be a secret."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [
            line for key in keys for line in differences(old.get(key), new.get(key), f"{where}.{key}" if where else key)
        ]
    if (
        isinstance(old, list)
        and isinstance(new, list)
        and len(old) == len(new)
        and all(isinstance(x, dict) for x in [*old, *new])
    ):
        return [
            line for i, pair in enumerate(zip(old, new, strict=True)) for line in differences(*pair, f"{where}[{i}]")
        ]
    if old == new:
        return []
    hidden = any(word in where for word in ("password", "zone_key", "negotiation_key"))
    return [f"{where}: differs" if hidden else f"{where}: {_short(old)} should be {_short(new)}"]


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 120 else text[:117] + "..."
