"""What MrData decides: plain Python over the `Zone` protocol. Imports no iRODS, no web, no embedded zone."""

__version__ = "0.2.0"
"""Of all of MrData; `pyproject.toml` has the same."""
