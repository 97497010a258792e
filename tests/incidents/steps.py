"""What the incidents do to a house, and what they ask of it."""

from __future__ import annotations

from parjanya_dagster.belief.snapshot import SensorSeen
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.findings import Finding
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.truth.models import ImageRow
from tests.simulation.house import LIMITS, House

HOUR = 3600.0


def upload(house: House, tenant: str, count: int, first: int = 0) -> None:
    for n in range(first, first + count):
        house.buckets.upload(tenant, f"incoming/{n}.jpg", house.clock())


def rows(house: House, tenant: str = "acme") -> list[ImageRow]:
    return house.store.present(tenant, "", 10_000)


def statuses(house: House, tenant: str = "acme") -> set[str]:
    return {row.pipeline_status for row in rows(house, tenant)}


def ask_doctor(house: House, sensors: tuple[SensorSeen, ...] = ()) -> dict[str, Finding]:
    """Findings by code."""
    examiner = Examiner(
        store=house.store,
        objects=house.buckets,
        belief=house.dagster,
        sensors=lambda: sensors,
        clock=house.clock,
    )
    facts = examiner.examine()
    return {one.code: one for one in diagnose(Case(facts=facts, lanes=house.lanes, limits=LIMITS))}
