"""A bar in the terminal: rich's where it is installed (hutch[cli]), a plain one otherwise; nothing where there is no terminal."""
from __future__ import annotations

import sys
from typing import Any, TextIO

from ..cli_server import Progress


class Bar:
    """How many of so many things are done; shown on standard error while it lasts.

    >>> import io
    >>> with Bar("Keys", 2, io.StringIO()) as bar:
    ...     bar.advance(1)
    """

    def __init__(self, title: str, total: int = 0, out: TextIO | None = None):
        self.title, self.total, self.done = title, total, 0
        self.out = sys.stderr if out is None else out
        self._rich: Any = None
        self._plain: Progress | None = None

    def __enter__(self) -> "Bar":
        if self.out.isatty():
            self._rich = _rich_bar(self.out)
        if self._rich is not None:
            self._rich.start()
            self._task = self._rich.add_task(self.title, total=max(self.total, 1), note="")
        else:
            self._plain = Progress(self.title, self.out)
            self._plain.__enter__()
        return self

    def advance(self, count: int, note: str = "") -> None:
        """So many more are done; `note` stands beside them."""
        self.done += count
        # A live store grows meanwhile: the bar never says more than all.
        if self._rich is not None:
            self._rich.update(self._task, completed=self.done, total=max(self.total, self.done, 1), note=note)
        elif self._plain is not None:
            self._plain(self.done, max(self.total, self.done))

    def __call__(self, done: int, total: int) -> None:
        """So many of so many are done: for bytes of a file, as Engine.load tells them."""
        self.total = total
        self.advance(done - self.done)

    def __exit__(self, *exc_info: object) -> None:
        if self._rich is not None:
            self._rich.stop()
        elif self._plain is not None:
            self._plain.__exit__(*exc_info)


def _rich_bar(out):
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress as RichProgress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    return RichProgress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                        TextColumn("{task.fields[note]}"), console=Console(file=out), transient=True)
