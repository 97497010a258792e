"""Begins a release: freezes the list of a view's images, and records the next version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from parjanya_dagster.embeddings import Embeddings, Space, embeddings_of
from parjanya_dagster.errors import ReleaseInvalid, UnknownRelease
from parjanya_dagster.objects.store import Objects
from parjanya_dagster.release import selection, writing
from parjanya_dagster.release.bucket import proven
from parjanya_dagster.release.frozen import ROOT, freeze
from parjanya_dagster.release.options import Options, check
from parjanya_dagster.release.selection import select
from parjanya_dagster.truth.models import ImageRow, Tenant
from parjanya_dagster.truth.releases import WITHDRAWN, Release, check_name, parse_ref
from parjanya_dagster.truth.store import Releases

TRIES = 20  # to get a version that another took at the same time
LONGEST_WHO = 200  # characters


class Source(selection.Source, writing.Source, Protocol):
    """What creating a release reads and writes of Truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A release that is recorded, whether it is written or not."""

    release: Release
    new: bool  # False: the last version of this name has the same images and options
    left_out: Mapping[str, int]  # why -> images


def begin(
    store: Source,
    objects: Objects,
    tenant: Tenant,
    name: str,
    options: Options,
    *,
    who: str,
    clock: Callable[[], float],
    space: Space | None = None,
) -> Begun:
    """Choose the images of a release now, and record it. Nothing of it is written yet but its list.

    `space`: that of the vectors by which diverse images are chosen.
    Where the last version of the name is the same release and not withdrawn, that is it. Raises
    ReleaseInvalid, StorageUnavailable.
    """
    check_name(name)
    if not who.strip() or len(who) > LONGEST_WHO:
        raise ReleaseInvalid(f"Who makes the release? A name of 1 to {LONGEST_WHO} characters.")
    bucket = proven(store, objects, tenant)
    options = replace(check(options), space=space.id if space and options.diverse else "")
    selected = select(store, tenant.slug, options, partial(_vectors, store, objects, space))
    frozen, new_objects = freeze(selected.items, options)
    for new in new_objects:  # the head comes last: where it is, all of the list is
        objects.put_many(bucket, [new])
    for _ in range(TRIES):
        last = last_version(store, tenant.slug, name)
        if last and last.release_id == frozen.release_id and last.state != WITHDRAWN:
            return Begun(release=last, new=False, left_out=selected.left_out)
        wanted = Release(
            tenant=tenant.slug,
            name=name,
            version=_free(store, objects, tenant, name, last.version + 1 if last else 1),
            release_id=frozen.release_id,
            selection=options.body(),
            counts=frozen.counts,
            images=frozen.images,
            created_at=clock(),
            created_by=who.strip(),
        )
        begun = store.begin_release(wanted)
        if begun == wanted:
            return Begun(release=begun, new=True, left_out=selected.left_out)
    raise ReleaseInvalid(f"Others make versions of {name!r} all the time. Try again.")


def _vectors(
    store: Source, objects: Objects, space: Space | None, rows: Sequence[ImageRow]
) -> Embeddings:
    if space is None:
        raise ReleaseInvalid(
            "No vectors are made here, so nothing says which images differ: "
            "PARJANYA_ENGINES__EMBEDDER is none."
        )
    return embeddings_of(store, objects, space, rows)


def _free(store: Source, objects: Objects, tenant: Tenant, name: str, version: int) -> int:
    """The first version from this one on that has no files of a release that Truth forgot.

    Truth may have been restored from before it was made, and what was released never changes.
    """
    while (
        any(True for _ in objects.listing(tenant.bucket, f"{ROOT}{name}@{version}/"))
        and store.find_release(tenant.slug, name, version) is None
    ):
        version += 1
    return version


def last_version(store: Releases, tenant: str, name: str) -> Release | None:
    versions = [one for one in store.releases(tenant) if one.name == name]
    return max(versions, key=lambda one: one.version, default=None)


def find(store: Releases, tenant: str, ref: str) -> Release:
    """The release NAME@VERSION, or the last version of NAME. Raises UnknownRelease."""
    if "@" in ref:
        name, version = parse_ref(ref)
        found = store.find_release(tenant, name, version)
    else:
        found = last_version(store, tenant, check_name(ref))
    if found is None:
        raise UnknownRelease(
            f"{tenant!r} has no release {ref!r}. `parjanya release list --tenant {tenant}` names "
            "those that there are."
        )
    return found
