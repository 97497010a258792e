"""Ticks of a sensor and signs of life of the daemon, written as Dagster's daemon writes them."""

from __future__ import annotations

import sys

from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    TickData,
    TickStatus,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import serializable_error_info_from_exc_info

NAME = "pending_rows"
LOCATION = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="parjanya"))
ORIGIN = RemoteInstigatorOrigin(RemoteRepositoryOrigin(LOCATION, "repository"), NAME)
STATE = InstigatorState(ORIGIN, InstigatorType.SENSOR, InstigatorStatus.RUNNING)


def switch_on(instance: DagsterInstance) -> None:
    """The sensor `pending_rows` is known, and on."""
    instance.add_instigator_state(STATE)


def make_tick(
    instance: DagsterInstance, status: TickStatus, at: float, error: Exception | None = None
) -> None:
    told = None
    try:
        if error is not None:
            raise error
    except Exception:
        told = serializable_error_info_from_exc_info(sys.exc_info())
    instance.create_tick(
        TickData(
            instigator_origin_id=STATE.instigator_origin_id,
            instigator_name=NAME,
            instigator_type=InstigatorType.SENSOR,
            status=status,
            timestamp=at,
            selector_id=STATE.selector_id,
            error=told,
        )
    )


def daemon_lives(instance: DagsterInstance, at: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SENSOR", "id", []))
