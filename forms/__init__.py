"""The web pages: registration, the running experiment, lists and search, the quarantine desk, the operator's board."""
