"""Which work a stage does, built from what the process has."""

from __future__ import annotations

from functools import cache, partial

from parjanya_dagster.execution.previews import Previews
from parjanya_dagster.execution.resources import StageResources
from parjanya_dagster.execution.worker import StageWork
from parjanya_dagster.media import DecoderPool, Limits, compared_beside
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.settings import Settings


def stage_work(resources: StageResources, stage: str, run_id: str) -> StageWork:
    """The work of a stage. Builds no model: `prepare` loads what is needed."""
    settings, clock = resources.settings, resources.clock
    if stage == "validated":
        from parjanya_dagster.execution.stages.validate import Validate

        return Validate(
            resources.objects,
            run_id=run_id,
            clock=clock,
            threads=settings.media.workers + 1,  # one more reads and writes while the others decode
            limits=Limits(settings.media.max_bytes, settings.media.max_pixels),
            decode=decoders_of(settings).validate,
            coordinates=settings.media.coordinates,
            sidecars=settings.looks_beside,
        )
    if stage == "curated":
        from parjanya_dagster.execution.stages.curate import Curate

        return Curate(
            resources.store,
            resources.policy_of,
            run_id=run_id,
            clock=clock,
            published=resources.registry.get,
            tastes=resources.tastes,
            compare=partial(compared_beside, decoders_of(settings)),
        )
    from parjanya_dagster.execution.engines import engine_of
    from parjanya_dagster.execution.stages.by_policy import ByPolicy
    from parjanya_dagster.execution.stages.infer import Enrich, Infer, Score

    kind: type[Infer] = Enrich if stage == "enriched" else Score
    return ByPolicy(
        stage,
        lambda engine: kind(
            engine,
            previews_of(resources.objects),
            resources.store,
            run_id=run_id,
            clock=clock,
            threads=settings.media.workers,
        ),
        engine_of(settings, stage),
        lambda row: (
            resources.registry.get(row.target) if row.target else resources.policy_of(row.tenant)
        ),
    )


def decoders_of(settings: Settings) -> DecoderPool:
    """The decoder processes of this process, as the settings want them."""
    media = settings.media
    return _decoders(media.workers, media.decode_deadline, media.decode_memory_mib)


def start_decoders(settings: Settings) -> None:
    """Start the decoder processes before the first image. Raises MediaError."""
    decoders_of(settings).start()


@cache
def _decoders(workers: int, deadline: float, memory_mib: int) -> DecoderPool:
    """They end with this process, however it ends."""
    return DecoderPool(workers, deadline, memory_mib << 20)


def previews_of(objects: Objects) -> Previews:
    """One cache for all who look at previews in a run."""
    held = _held.get(id(objects))
    if held is None:
        _held.clear()
        held = _held[id(objects)] = Previews(objects)
    return held


_held: dict[int, Previews] = {}
