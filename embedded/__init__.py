"""A zone in a folder: runs the same rulebase with no server, for a first look, for development and for tests."""
