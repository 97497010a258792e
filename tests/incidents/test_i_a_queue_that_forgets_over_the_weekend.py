"""The queue keeps messages for a day, and nobody looks from Friday evening to Monday morning.

Time is a number here, so the queue is the model of the simulation; `unit/aws/test_queues.py` holds
it to SQS's ways, and moto's SQS is asked for its retention below.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from parjanya_dagster.aws.queues import SqsQueue
from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.examine import Examiner
from parjanya_dagster.doctor.rules import diagnose
from parjanya_dagster.errors import SettingsInvalid
from parjanya_dagster.lanes import EMBEDDED
from parjanya_dagster.platform import Platform
from parjanya_dagster.queues.retention import require_retention
from tests.simulation.house import LIMITS
from tests.simulation.memory import in_memory
from tests.simulation.queue_house import QueueHouse, begin, upload
from tests.support.servers import MotoServer

HOUR, DAY = 3600.0, 86_400.0
WEEKEND = 62 * HOUR


@pytest.fixture
def house(template: Path) -> Any:
    store = in_memory(template, seed=1)
    yield QueueHouse(store, EMBEDDED)
    store.close()


def test_on_monday_the_queue_is_filled_again_from_truth(house: QueueHouse) -> None:
    house.queue.retention = DAY
    begin(house)
    assert house.queue.stored
    house.clock.pass_by(WEEKEND)  # no worker, and no reconciler either
    assert house.queue.receive(10, 0) == []
    upload(house, 2, first=5)
    house.settle()
    assert {row.pipeline_status for row in house._rows()} == {"curated"}
    assert {row.attempts for row in house._rows()} == {0}


def test_the_doctor_finds_it_before_any_weekend(house: QueueHouse) -> None:
    house.queue.retention = DAY
    examiner = Examiner(
        store=house.store,
        objects=house.buckets,
        belief=house.loop().belief,
        sensors=lambda: (),
        clock=house.clock,
        queues={"lane embedded": house.queue},
    )
    found = {
        one.code: one
        for one in diagnose(Case(facts=examiner.examine(), lanes=house.lanes, limits=LIMITS))
    }
    assert found["queue_forgets"].boundary == "Intent"
    assert found["queue_forgets"].evidence["dormancy_hours"] == 96.0


def test_a_process_refuses_to_start_over_it(platform: Platform, aws: MotoServer) -> None:
    queue = SqsQueue(aws.name("lane"))
    queue.create()
    four_days = platform.settings.arrivals.longest_dormancy_hours * 3600
    require_retention("lane", queue, four_days)
    boto3.client("sqs").set_queue_attributes(
        QueueUrl=queue.url(), Attributes={"MessageRetentionPeriod": str(int(4 * DAY - 1))}
    )
    with pytest.raises(SettingsInvalid, match="1209600"):
        require_retention("lane", queue, four_days)
    require_retention("lane", queue, DAY)
