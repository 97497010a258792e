"""Models are loaded before the work that needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from parjanya_dagster.execution.engines import KIND, engine_of
from parjanya_dagster.lines import get_logger
from parjanya_dagster.settings import Settings

log = get_logger(__name__)


def preload(
    settings: Settings, stages: Sequence[str], clock: Callable[[], float]
) -> dict[str, float]:
    """Load the models of those of these stages that have an engine. Returns seconds by stage.

    What cannot be loaded is left to the work itself: it hands its rows back and says what is wrong.
    """
    seconds: dict[str, float] = {}
    for stage in stages:
        if stage not in KIND:
            continue
        began = clock()
        try:
            engine_of(settings, stage).warm()
        except Exception as error:
            log.warning("not_preloaded", stage=stage, error=f"{type(error).__name__}: {error}")
            break
        seconds[stage] = clock() - began
    return seconds
