"""The machine that breaks MrData: it injects faults into an embedded zone, lets the normal work go on, and counts what
is wrong then.

| module | holds |
|--|--|
| `children` | work in a forked process, which may be killed |
| `site` | a zone in a folder that is copied for each fault, and the normal work on it |
| `books` | what landed, and what was done to it, written down independently of MrData |
| `checker` | compares the books with catalog, disks and `mrdata verify`: lost, misfiled, unnoticed, in disorder |
| `calls` | the n-th call fails: system calls, verbs of the zone, microservices |
| `scenarios` | what is done while a call fails |
| `power` | a disk that keeps only what was forced to it |
| `world` | random operations of scanner, users, stewards and clock, with random kills |
| `on_server` | the world on a real server, and what the server holds |
| `proxy` | between clients and a server: cuts and holds connections |
| `nemesis` | breaks a real server while the world works on it: `python -m tests.faults.nemesis` |
| `machine` | runs all kinds until so many faults were injected: `python -m tests.faults`, `make faults` |

docs/reference/reliability.md tells what was found.
"""
