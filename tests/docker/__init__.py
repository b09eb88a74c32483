"""The whole stack of compose.yaml, where an engine is."""
