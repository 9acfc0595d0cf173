"""What a pod needs of the machine for itself alone, and what the machine has to give."""

from __future__ import annotations

from dataclasses import dataclass

from pipeyard.errors import InvalidInputError
from pipeyard.pod.endings import amount


@dataclass(frozen=True)
class Claim:
    """Memory and GPUs that nobody else is given meanwhile. `is_lasting`: until a deployment is disabled or deleted."""

    ram_bytes: int = 0
    gpu_count: int = 0
    is_lasting: bool = False

    @property
    def is_nothing(self) -> bool:
        """It never waits."""
        return not (self.ram_bytes or self.gpu_count)


@dataclass(frozen=True)
class Supply:
    """What the machine has for all claims together. GPUs by the ids that their driver knows for ever."""

    ram_bytes: int
    gpu_ids: tuple[str, ...] = ()

    def check_ram(self, field: str, wanted_bytes: int | None) -> None:
        """Raises InvalidInputError when so much memory can never be had here."""
        if wanted_bytes is not None and wanted_bytes > self.ram_bytes:
            raise InvalidInputError(
                field,
                f"{amount(wanted_bytes)} requested, all pods of this machine together may have "
                f"{amount(self.ram_bytes)} (pods_ram_max_bytes is the setting)",
                f"at most {self.ram_bytes // 1024**2}MiB",
            )

    def check_gpus(self, field: str, wanted: int | None) -> None:
        """Raises InvalidInputError when there are not so many GPUs."""
        count = len(self.gpu_ids)
        if wanted is not None and wanted > count:
            raise InvalidInputError(field, f"{wanted} GPUs requested, this machine has {count}", f"0 to {count}")
