"""All microservices of the embedded zone: importing this fills `embedded.engine.callback.REGISTRY`."""

from embedded.engine import msi_metadata, msi_misc, msi_objects, msi_query

__all__ = ["msi_metadata", "msi_misc", "msi_objects", "msi_query"]
