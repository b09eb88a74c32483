"""Progress of what takes long: a bar or a line on a terminal, little elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Gives a function to call with how many are done, and of how many; the bar is on stderr."""
    if not sys.stderr.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@contextmanager
def line() -> Iterator[Callable[[str], None]]:
    """Gives a function to call with what is being waited for: a line on stderr.

    On a terminal the line changes where it stands; elsewhere a new one is printed when more than its numbers has changed.
    """
    if not sys.stderr.isatty():
        before = [""]

        def tell(text: str) -> None:
            if (words := re.sub(r"\d+", "", text)) != before[0]:
                print(text, file=sys.stderr, flush=True)
            before[0] = words

        yield tell
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(Text(text))
