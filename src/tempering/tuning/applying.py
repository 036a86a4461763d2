"""Put an exported file in place: the difference first, the old file kept. Knows files; knows no engine."""

from __future__ import annotations

import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path

from tempering.errors import ExportError, StoreError
from tempering.study.store import write_atomically
from tempering.tuning.export.base import Exporter


@dataclass(frozen=True)
class Change:
    """What would be written.

    Attributes:
        path: the file.
        before: its text now; None if it is not there.
        after: its text then.
    """

    path: Path
    before: str | None
    after: str

    @property
    def nothing(self) -> bool:
        """Whether the file is already what it would become."""
        return self.before == self.after

    def difference(self) -> str:
        """Return the difference as a reader of patches knows it.

        Example:
            >>> print(Change(Path("f"), "T = 1\\n", "T = 0.7\\n").difference().splitlines()[-1])
            +T = 0.7
        """
        old = (self.before or "").splitlines(keepends=True)
        new = self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(old, new, str(self.path), str(self.path)))


def plan_change(exporter: Exporter, text: str, target: Path) -> Change:
    """Return what writing an export to a file, or into a folder under its usual name, would change.

    Raises:
        ExportError: the file that is there cannot be read, or is not what the engine reads.
    """
    path = target / exporter.filename if target.is_dir() else target
    if not path.exists():
        return Change(path, None, text)
    try:
        before = path.read_text(encoding="utf-8")
        return Change(path, before, exporter.merge(before, text))
    except (OSError, ValueError, TypeError) as problem:
        raise ExportError(f"{path} is no {exporter.filename} that can be changed: {problem}") from None


def apply_change(change: Change) -> Path | None:
    """Write the file; return where the old one is kept, None if there was none.

    Raises:
        StoreError: it cannot be written; the old file is then untouched.
    """
    backup = None
    if change.before is not None:
        number = 0
        backup = change.path.with_name(f"{change.path.name}.bak")
        while backup.exists():
            number += 1
            backup = change.path.with_name(f"{change.path.name}.bak{number}")
        try:
            shutil.copy2(change.path, backup)
        except OSError as problem:
            raise StoreError(f"cannot write {backup}: {problem.strerror}") from None
    write_atomically(change.path, change.after)
    return backup
