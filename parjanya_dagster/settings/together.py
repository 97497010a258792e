"""What settings must be to one another. Pure: each rule says what is wrong and what to set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from parjanya_dagster.lanes import BY_NAME, Lane
from parjanya_dagster.settings import groups

ON_GPU = {"enriched": {"transformers"}, "scored": {"pyiqa"}}
"""Stage -> its engines that run on a GPU. All others run on the CPU, or ask a server."""


class Chosen(Protocol):
    """The settings that rules look at."""

    @property
    def truth(self) -> groups.Truth: ...
    @property
    def truth_url(self) -> str: ...
    @property
    def objects(self) -> groups.Objects: ...
    @property
    def arrivals(self) -> groups.Arrivals: ...
    @property
    def lanes(self) -> groups.Lanes: ...
    @property
    def engines(self) -> groups.Engines: ...


def disagreements(settings: Chosen) -> Iterator[str]:
    """What of these settings cannot be true at once."""
    if settings.arrivals.queue and not settings.arrivals.dead_letters:
        yield "PARJANYA_ARRIVALS__QUEUE needs PARJANYA_ARRIVALS__DEAD_LETTERS beside it"
    yield from _strange_lanes(settings)
    yield from _scaled_twice(settings)
    if settings.lanes.launcher != "local":
        yield from _not_shared(settings)
        for lane in BY_NAME[settings.lanes.layout]:
            yield from _wrong_node(settings, lane)


def told_twice(image: str, launched: str) -> Iterator[str]:
    """What is wrong where an image says that it is one, and who launched it says another tag."""
    tags = {tag for tag in map(_tag, (image, launched)) if tag}
    if len(tags) > 1:
        yield (
            f"this process is launched as {launched} (DAGSTER_CURRENT_IMAGE), and its image says "
            f"that it is {image} (PARJANYA_IDENTITY__IMAGE): it was pushed under a wrong tag, the "
            "tag was moved, or a setting speaks for the image. Push it again, or unset the setting"
        )


def _tag(image: str) -> str:
    """The tag of an image's name; empty where it has none, or is named by its digest."""
    tag = image.rpartition("/")[2].partition(":")[2]
    return "" if "@" in image else tag


def _strange_lanes(settings: Chosen) -> Iterator[str]:
    names = [lane.name for lane in BY_NAME[settings.lanes.layout]]
    if strangers := [name for name in settings.lanes.by_name if name not in names]:
        yield (
            f"there is no lane {', '.join(strangers)} in the layout {settings.lanes.layout!r}; "
            f"its lanes are {', '.join(names)} (PARJANYA_LANES__LAYOUT)"
        )


def _scaled_twice(settings: Chosen) -> Iterator[str]:
    lanes = settings.lanes
    for name in sorted(lanes.scaling_groups.keys() & lanes.model_services.keys()):
        variable = f"PARJANYA_LANES__{name.upper()}"
        yield (
            f"the lane {name} has an Auto Scaling group and a model's service, and one of them is "
            f"raised: unset {variable}__SCALING_GROUP or {variable}__MODEL_SERVICE"
        )


def _not_shared(settings: Chosen) -> Iterator[str]:
    """A cluster's pods or tasks share a server. They do not share a file of their own disks."""
    launcher = f"PARJANYA_LANES__LAUNCHER={settings.lanes.launcher}"
    if settings.truth_url.startswith("sqlite"):
        given = "is SQLite" if settings.truth.url else "is not set"
        yield (
            f"{launcher} needs a PARJANYA_TRUTH__URL that all share (postgresql://… or "
            f"dynamodb://…), and it {given}: each pod or task would keep a Truth of its own. "
            "Has the secret that gives it the right key?"
        )
    if not settings.objects.url:
        yield (
            f"{launcher} needs PARJANYA_OBJECTS__URL (s3://, or a folder that all share): else "
            "each pod or task has buckets of its own"
        )


def _wrong_node(settings: Chosen, lane: Lane) -> Iterator[str]:
    """Runs that hold a GPU and use none cost as much as runs that use it."""
    wishes = settings.lanes.by_name.get(lane.name, groups.OneLane())
    gpus = wishes.needs(lane.needs).gpus
    engines = {"enriched": settings.engines.enricher, "scored": settings.engines.scorer}
    ours = {stage: engines[stage] for stage in lane.stages if stage in engines}
    makes_vectors = "enriched" in ours and settings.engines.embedder == "transformers"
    on_gpu = [name for stage, name in ours.items() if name in ON_GPU[stage]]
    if settings.engines.device == "cpu":
        on_gpu, makes_vectors = [], False
    variable = f"PARJANYA_LANES__{lane.name.upper()}__GPUS"
    if gpus and not on_gpu and not makes_vectors:
        yield (
            f"runs of the lane {lane.name} ask for {gpus} GPU, and nothing in them runs on one: "
            f"their engines are {', '.join(ours.values()) or 'none'}, on the device "
            f"{settings.engines.device}. Set {variable}=0, or an engine that uses it "
            "(PARJANYA_ENGINES__ENRICHER=transformers, PARJANYA_ENGINES__SCORER=pyiqa)"
        )
    if on_gpu and not gpus:
        yield (
            f"the engine {', '.join(on_gpu)} runs on a GPU, and runs of the lane {lane.name} ask "
            f"for none. Set {variable}=1, or PARJANYA_ENGINES__DEVICE=cpu"
        )
