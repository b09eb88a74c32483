"""What MrData decides: plain Python over the `Zone` protocol. Imports no iRODS, no web, no embedded zone."""
