"""`make bench`: runs every benchmark and prints one table. `python -m tests.bench NAME...` runs some."""

import importlib
import sys

BENCHMARKS = ("headers", "imports", "ingest", "twix", "growth", "pages", "castellum", "hostile")


def main() -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("what", "measured", "beside the plain tool", title="MrData benchmarks")
    for name in sys.argv[1:] or BENCHMARKS:
        print(f"running {name} ...", file=sys.stderr, flush=True)
        for row in importlib.import_module(f"tests.bench.{name}").rows():
            table.add_row(*row)
        table.add_section()
    Console(width=140).print(table)


main()
