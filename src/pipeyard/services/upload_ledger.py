"""What is known of uploads in parts: a small file each, so that one goes on after a restart."""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from pipeyard.data_folder import write_private
from pipeyard.domain.part_uploads import PartUpload
from pipeyard.errors import NotFoundError

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class UploadLedger:
    """What it has written survives power loss."""

    folder: Path

    def add(self, upload: PartUpload) -> str:
        """The id for the caller, which says nothing of where the upload goes."""
        upload_id = uuid.uuid4().hex
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write(upload_id, upload)
        return upload_id

    def read(self, upload_id: object, key: str) -> PartUpload:
        """Raises NotFoundError, also when the upload is for another object, or what is known of it is damaged."""
        if isinstance(upload_id, str) and _ID.fullmatch(upload_id):
            with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
                upload = PartUpload(**json.loads(self._place(upload_id).read_text()))
                if upload.key == key:
                    return upload
        raise NotFoundError(
            "upload", str(upload_id)[:100], "there is no such upload for this object: it has ended, or expired"
        )

    def write(self, upload_id: str, upload: PartUpload) -> None:
        """Whole or not at all."""
        write_private(self._place(upload_id), json.dumps(asdict(upload)))

    def remove(self, upload_id: str) -> None:
        """Idempotent."""
        self._place(upload_id).unlink(missing_ok=True)

    def sweep(self, before: datetime) -> None:
        """Forget uploads that nobody has spoken of since."""
        for place in self.folder.glob("*"):
            with contextlib.suppress(FileNotFoundError):  # ended meanwhile
                if place.stat().st_mtime < before.timestamp():
                    place.unlink()

    def _place(self, upload_id: str) -> Path:
        return self.folder / f"{upload_id}.json"
