"""Runs a rule file as irule does:

INPUT gives the parameters, `main` runs in the rule engine, stdout comes back. On a server: irule.
"""

import ast
import re
from pathlib import Path

from tests.zone.embedded_site import EmbeddedSite

RULES = Path(__file__).resolve().parents[2] / "rules"


def irule(site, name: str, **given: str) -> str:
    """What the rule file `rules/<name>.r` writes to stdout, as the service account."""
    if not isinstance(site, EmbeddedSite):
        return site.irule(RULES / f"{name}.r", **given)
    text = (RULES / f"{name}.r").read_text(encoding="utf-8")
    code, _, tail = text.partition("\nINPUT ")
    line, _, output = tail.partition("\nOUTPUT ")
    assert output.strip() == "ruleExecOut"
    defaults = {} if line.strip() == "null" else dict(re.findall(r'\*(\w+)="([^"]*)"', line))
    assert set(given) <= set(defaults), f"{name}.r has no parameter {sorted(set(given) - set(defaults))}"
    variables = {f"*{key}": f"'{value}'" for key, value in {**defaults, **given}.items()}
    ast.parse(code)
    agent = site.agent()
    agent.output.clear()
    namespace: dict = {"irods_rule_vars": variables, "global_vars": variables}
    exec(compile(code, f"{name}.r", "exec"), namespace)
    assert agent.run(namespace["main"], name, [""]) == 0, f"{name}.r failed; see rods.log"
    return "\n".join(agent.output)
