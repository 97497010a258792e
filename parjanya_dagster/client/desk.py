"""The class `Parjanya`: find images, read what is known, decide, regrade, release, upload."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

from parjanya_dagster.client.connection import open_connection
from parjanya_dagster.client.messages import (
    MOST_DECISIONS,
    Action,
    ClusterListed,
    ClustersListed,
    DecisionOf,
    Decisions,
    ImageFacts,
    ImageListed,
    Me,
    Media,
    ReviewsTold,
    ReviewTold,
    SimilarListed,
    SimilarsListed,
    TenantListed,
    TenantsListed,
    Upload,
    UploadStatus,
)
from parjanya_dagster.client.regrade_messages import PoliciesListed, PolicyListed
from parjanya_dagster.client.regrades import LOOK_EVERY, Regrades
from parjanya_dagster.client.release_messages import (
    CoverageAsked,
    CoverageTold,
    ReleaseBegun,
    ReleasesListed,
    ReleaseTold,
    ReleaseWanted,
)
from parjanya_dagster.client.uploads import Uploader
from parjanya_dagster.client.view import View
from parjanya_dagster.errors import DecisionNotMade, DeskRefused

Values = str | Sequence[str] | None
Image = str | ImageListed | ImageFacts
PATIENCE = 600.0  # seconds to wait for what becomes of uploads


class Parjanya:
    """A desk. `address` is its own, or what `parjanya web --address` prints, token included.

    `headers` are sent with every request, such as those that a proxy in front of the desk asks for.
    `upload_token` belongs to a tenant (`parjanya uploads token add`). A request is tried again if
    the desk is busy. Raises DeskRefused if the desk says no, DeskUnavailable if it does not answer.
    """

    def __init__(
        self,
        address: str,
        token: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        upload_token: str = "",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = open_connection(address, token, headers or {}, pause)
        self._upload_token = upload_token

    def __enter__(self) -> Parjanya:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    # who

    def me(self) -> Me:
        """Your name at the desk, and whether you operate every tenant."""
        return self._connection.get(Me, "/api/v1/me")

    def tenants(self) -> list[TenantListed]:
        """The tenants that you may see, with your role and how many images wait for people."""
        return self._connection.get(TenantsListed, "/api/v1/tenants").tenants

    # find

    def images(
        self,
        search: str = "",
        *,
        sort: str = "-landed",
        verdict: Values = None,
        tenant: Values = None,
        rule: Values = None,
        reason: Values = None,
        failure: Values = None,
        category: Values = None,
        quality: Values = None,
        duplicate: Values = None,
        text: Values = None,
        language: Values = None,
        faces: Values = None,
        format: Values = None,
        camera: Values = None,
        day: Values = None,
        batch: Values = None,
        policy: Values = None,
        decided_by: Values = None,
        original: Values = None,
    ) -> View:
        """Images with one of the values of each facet that is named, and all words of `search`.

        `sort`: landed, changed, quality, certainty, bytes, pixels; with `-` the largest first.
        """
        chosen = {
            "verdict": verdict, "tenant": tenant, "rule": rule, "reason": reason,
            "failure": failure, "category": category, "quality": quality, "duplicate": duplicate,
            "text": text, "language": language, "faces": faces, "format": format,
            "camera": camera, "day": day, "batch": batch, "policy": policy,
            "decided_by": decided_by, "original": original,
        }  # fmt: skip
        pairs = [(name, value) for name, values in chosen.items() for value in _several(values)]
        return View(connection=self._connection, pairs=[*pairs, ("q", search), ("sort", sort)])

    def image(self, image_id: str) -> ImageFacts:
        """Everything about one image, from Truth: evidence, decisions, history."""
        return self._connection.get(ImageFacts, f"/api/v1/images/{image_id}")

    def similar(self, image: Image, limit: int = 24) -> list[SimilarListed]:
        """Images of the same tenant that look like this one, the most alike first."""
        path = f"/api/v1/images/{_id(image)}/similar"
        return self._connection.get(SimilarsListed, path, [("limit", str(limit))]).images

    def similar_to(self, path: str | Path, tenant: str, limit: int = 24) -> list[SimilarListed]:
        """Images of a tenant that look like the picture in a file, which the desk does not keep."""
        place = "/api/v1/similar/content"
        pairs = [("tenant", tenant), ("limit", str(limit))]
        return self._connection.send(SimilarsListed, place, Path(path).read_bytes(), pairs).images

    def similar_to_words(self, words: str, tenant: str, limit: int = 24) -> list[SimilarListed]:
        """Images of a tenant that show what words say. Raises DeskRefused where the model of its
        vectors knows no words."""
        pairs = [("tenant", tenant), ("words", words), ("limit", str(limit))]
        return self._connection.get(SimilarsListed, "/api/v1/similar", pairs).images

    def clusters(self, tenant: str, k: int = 12, limit: int = 8) -> list[ClusterListed]:
        """A tenant's images by what looks alike: up to k clusters, the largest first, each with
        some of its most typical images."""
        pairs = [("tenant", tenant), ("k", str(k)), ("limit", str(limit))]
        return self._connection.get(ClustersListed, "/api/v1/clusters", pairs).clusters

    def outliers(self, tenant: str, limit: int = 24) -> list[SimilarListed]:
        """Images of a tenant that are least like any others."""
        pairs = [("tenant", tenant), ("limit", str(limit))]
        return self._connection.get(SimilarsListed, "/api/v1/outliers", pairs).images

    def original(self, image: Image) -> bytes:
        """The original file."""
        return self._picture(image, "original")

    def preview(self, image: Image) -> bytes:
        """The picture as JPEG, as large as pages show it. Raises DeskRefused without one."""
        return self._picture(image, "preview")

    def thumbnail(self, image: Image) -> bytes:
        return self._picture(image, "thumbnail")

    def _picture(self, image: Image, kind: str) -> bytes:
        path = f"/api/v1/images/{_id(image)}/media"
        address = getattr(self._connection.get(Media, path), kind)
        if address is None:
            raise DeskRefused(f"There is no {kind} of {_id(image)}.")
        url, headers = str(address), dict(self._connection.headers)
        return self._connection.answer("GET", url, headers=headers).content

    # decide

    def accept(self, image: Image, note: str = "") -> ReviewTold:
        """Decide one image. Raises DecisionNotMade, with `told` saying why.

        Pass an image that you read: if a person or a policy has decided since, the result is
        `stale` and nothing is decided. With an id alone, nothing is compared.
        """
        return self._decide_one(image, "accept", note)

    def reject(self, image: Image, note: str = "") -> ReviewTold:
        """As `accept`."""
        return self._decide_one(image, "reject", note)

    def undo(self, image: Image, note: str = "") -> ReviewTold:
        """Bring back what stood before the last decision of a person. Otherwise as `accept`."""
        return self._decide_one(image, "undo", note)

    def decide(
        self, action: Action, images: Iterable[Image], note: str = ""
    ) -> Iterator[ReviewTold]:
        """Decide many images, and yield the result of each. A refused one does not stop the others.

        Loop to the end: images are sent in packs, each when the results of the one before are read.
        """
        left = iter(images)
        while pack := list(islice(left, MOST_DECISIONS)):
            body = Decisions(decisions=[decision(action, one, note) for one in pack])
            yield from self._connection.post(ReviewsTold, "/api/v1/reviews", body).decisions

    def _decide_one(self, image: Image, action: Action, note: str) -> ReviewTold:
        (told,) = self.decide(action, [image], note)
        if not told.good:
            raise DecisionNotMade(told.says, told)
        return told

    # policies and regrades

    def policies(self) -> list[PolicyListed]:
        """Every published version, and which of your tenants are pinned to it."""
        return self._connection.get(PoliciesListed, "/api/v1/policies").policies

    @property
    def regrades(self) -> Regrades:
        """Deciding history again under another policy, for operators."""
        return Regrades(connection=self._connection)

    # let out

    def releases(self, tenant: str) -> list[ReleaseTold]:
        """Every release of a tenant."""
        return self._connection.get(
            ReleasesListed, "/api/v1/releases", [("tenant", tenant)]
        ).releases

    def release(self, wanted: ReleaseWanted) -> ReleaseBegun:
        """Begin a release of a view, for operators. Dagster writes it."""
        return self._connection.post(ReleaseBegun, "/api/v1/releases", wanted)

    def coverage(
        self, tenant: str, release: str, verdict: str = "", limit: int = 24
    ) -> CoverageTold:
        """What a release lacks: how far its nearest image is from each of the tenant's images.

        `release`: its name, or name@version. `verdict`: ask about accepted images alone, say.
        Returns when all is compared, which takes long for many images.
        """
        pairs = [("tenant", tenant), ("release", release), ("limit", str(limit))]
        pairs += [("verdict", verdict)] if verdict else []
        while True:
            found = self._connection.get(CoverageAsked, "/api/v1/releases/coverage", pairs)
            if found.coverage is not None:
                return found.coverage
            self._connection.pause(LOOK_EVERY)

    # upload

    def upload(self, *paths: str | Path) -> list[Upload]:
        """Put files into the bucket of the upload token's tenant. Returns when all are there."""
        return list(self._uploader().upload([Path(path) for path in paths]))

    def uploaded(self, uploads: Sequence[Upload], wait: float = PATIENCE) -> list[UploadStatus]:
        """The status of uploads: when all are decided, or after `wait` seconds. 0: now."""
        return self._uploader().wait(uploads, wait)

    def _uploader(self) -> Uploader:
        if not self._upload_token:
            raise DeskRefused(
                "Uploads need a token of a tenant: `parjanya uploads token add TENANT` makes one; "
                "give it as upload_token."
            )
        return Uploader(connection=self._connection, token=self._upload_token)


def decision(action: Action, image: Image, note: str = "") -> DecisionOf:
    """A decision about an image as it was read. Its request gets an id of its own."""
    seen: int | None = None
    evidence: dict[str, str] | None = None
    if isinstance(image, ImageListed):
        seen = image.reviews
    elif isinstance(image, ImageFacts):
        seen, evidence = len(image.reviews), image.shown_evidence
    return DecisionOf(
        image_id=_id(image),
        action=action,
        request_id=uuid.uuid4().hex,
        note=note,
        seen=seen,
        evidence=evidence,
    )


def _id(image: Image) -> str:
    return image if isinstance(image, str) else image.image_id


def _several(values: Values) -> Sequence[str]:
    if values is None:
        return ()
    return (values,) if isinstance(values, str) else values
