"""The names that tests use.

On a server each test session has its own, so that it meets nobody else's studies and users.
"""

import os

SUFFIX = os.environ.get("MRDATA_TEST_SUFFIX", "")
PAIN, SLEEP = f"pain{SUFFIX}", f"sleep{SUFFIX}"
"""Studies."""
T94, T3 = f"94T{SUFFIX}", f"3T{SUFFIX}"
"""Scanners."""
ALICE, BOB, STEWARD = f"alice{SUFFIX}", f"bob{SUFFIX}", f"steward{SUFFIX}"
"""Users: Alice is in the study PAIN, Bob in SLEEP."""
USERS = (ALICE, BOB, STEWARD)
