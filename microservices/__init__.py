"""How a policy touches the world: the Zone over the rule engine's `callback`, and the readers of headers."""
