"""What iRODS calls: `core.py`, with one function for each policy enforcement point and each callable rule."""
