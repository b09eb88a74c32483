"""What the rulebase costs each client connection: `import core` over an empty core.py, in fresh interpreters."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import rulebase

RUNS = 40


def rows() -> list[tuple[str, str, str]]:
    """Median of whole processes, the two taken in turns."""
    core = Path(rulebase.__file__).parent
    with tempfile.TemporaryDirectory() as empty:
        (Path(empty) / "core.py").write_text('"""Nothing."""\n')
        times: dict[str, list[float]] = {"ours": [], "empty": []}
        for _ in range(RUNS):
            for name, folder in (("empty", empty), ("ours", str(core))):
                start = time.perf_counter()
                subprocess.run(
                    [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r}); import core"], check=True
                )
                times[name].append(time.perf_counter() - start)
    ours, plain = (statistics.median(times[name]) * 1000 for name in ("ours", "empty"))
    return [("import core, over an empty core.py", f"{ours - plain:+.1f} ms", f"{ours:.1f} ms beside {plain:.1f} ms")]
