"""Turns an installed iRODS 5.0 server into an MrData zone, and keeps its catalog safe."""
