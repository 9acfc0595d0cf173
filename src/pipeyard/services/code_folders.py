"""Where the code of pipelines is kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CodeFolders:
    """Where archives and unpacked code are kept, one of each per pipeline."""

    root: Path

    def archive(self, pipeline_id: str) -> Path:
        """The gzip tar as it was sent."""
        return self.root / pipeline_id / "code.tgz"

    def code(self, pipeline_id: str) -> Path:
        """Its content."""
        return self.root / pipeline_id / "code"

    def remove(self, pipeline_id: str) -> None:
        """Both. Idempotent."""
        shutil.rmtree(self.root / pipeline_id, ignore_errors=True)

    def remove_others(self, pipeline_ids: set[str]) -> None:
        """What a crash between unpacking and the commit left behind."""
        for folder in self.root.iterdir() if self.root.is_dir() else ():
            if folder.name not in pipeline_ids:
                self.remove(folder.name)
