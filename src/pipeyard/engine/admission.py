"""Hands out the machine's memory and GPUs to those who claim some, in the order in which they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeyard.domain.claims import Claim, Supply
from pipeyard.pod.endings import amount


@dataclass(eq=False)
class Ticket:
    """One claim of an owner: a low latency deployment, or an execution in a pod of its own."""

    claim: Claim
    given: asyncio.Event = field(default_factory=asyncio.Event)  # or withdrawn
    gpus: tuple[str, ...] = ()


class Admission:
    """Who has what, and who waits.

    The first in line that has only to wait for pods that end by themselves keeps back what gets free, so that small
    claims never starve a large one. One that would have to wait for a deployment to be deleted lets others pass.
    """

    def __init__(self, supply: Supply) -> None:
        self.supply = supply
        self._held: dict[str, Ticket] = {}
        self._waiting: dict[str, Ticket] = {}  # in order

    def ask(self, owner_id: str, claim: Claim) -> Ticket:
        """What the owner has or waits for already, or a place in line. A claim to nothing is given at once."""
        known = self._held.get(owner_id) or self._waiting.get(owner_id)
        if known is not None and known.claim == claim:
            return known
        self.leave(owner_id)
        ticket = Ticket(claim)
        if claim.is_nothing:
            ticket.given.set()
        else:
            self._waiting[owner_id] = ticket
            self._hand_out()
        return ticket

    def adopt(self, owner_id: str, claim: Claim, gpus: tuple[str, ...]) -> None:
        """What a pod of an earlier server has counts, beyond what there is too."""
        if not claim.is_nothing:
            self._held[owner_id] = ticket = Ticket(claim, gpus=gpus)
            ticket.given.set()

    def leave(self, owner_id: str) -> None:
        """Give back what the owner has, or leave the line; whoever waits there is told. Idempotent."""
        ticket = self._held.pop(owner_id, None) or self._waiting.pop(owner_id, None)
        if ticket is not None:
            ticket.given.set()
            self._hand_out()

    def reason(self, owner_id: str) -> str | None:
        """What the owner waits for, in words; None when it does not."""
        ticket = self._waiting.get(owner_id)
        if ticket is None:
            return None
        claim, held = ticket.claim, self._held.values()
        wants, there = [], []
        if claim.ram_bytes:
            wants.append(f"{amount(claim.ram_bytes)} of memory")
            of = f"{amount(max(0, self._free_ram(held)))} of {amount(self.supply.ram_bytes)} is free"
            there.append(f"{of}, {_pods(sum(other.claim.ram_bytes > 0 for other in held))}")
        if claim.gpu_count:
            wants.append(f"{claim.gpu_count} GPU{'s' if claim.gpu_count > 1 else ''}")
            of = f"{len(self._free_gpus())} of {len(self.supply.gpu_ids)} GPUs are free"
            there.append(f"{of}, {_pods(sum(bool(other.gpus) for other in held))}")
        before = list(self._waiting).index(owner_id)
        line = f"; {before} {'others wait' if before > 1 else 'other waits'} before it" if before else ""
        return f"waits for {' and '.join(wants)}; {'; '.join(there)}{line}"

    def _hand_out(self) -> None:
        for owner_id, ticket in list(self._waiting.items()):
            if self._fits(ticket.claim, self._held.values()):
                ticket.gpus = self._free_gpus()[: ticket.claim.gpu_count]
                self._held[owner_id] = self._waiting.pop(owner_id)
                ticket.given.set()
            elif self._fits(ticket.claim, [other for other in self._held.values() if other.claim.is_lasting]):
                return  # what gets free is for this one

    def _fits(self, claim: Claim, held: Iterable[Ticket]) -> bool:
        held = list(held)
        gpus_left = len(self.supply.gpu_ids) - sum(len(other.gpus) for other in held)
        return claim.ram_bytes <= self._free_ram(held) and claim.gpu_count <= gpus_left

    def _free_ram(self, held: Iterable[Ticket]) -> int:
        return self.supply.ram_bytes - sum(other.claim.ram_bytes for other in held)

    def _free_gpus(self) -> tuple[str, ...]:
        taken = {gpu for ticket in self._held.values() for gpu in ticket.gpus}
        return tuple(gpu for gpu in self.supply.gpu_ids if gpu not in taken)


def _pods(count: int) -> str:
    return f"{count} pod{'s have' if count != 1 else ' has'} the rest"
