"""The messages of the desk's JSON API. The desk and its client use the same classes.

Times are seconds since the epoch. The client ignores fields that it does not know, so a desk may
be newer than its client.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_LISTED = 1000  # images of one page
MOST_SIMILAR = 200
MOST_DECISIONS = 500  # of one request

Action = Literal["accept", "reject", "undo"]
Role = Literal["viewer", "reviewer", "operator"]


class Told(BaseModel):
    """An answer."""


class Asked(BaseModel):
    """The body of a request. A field that the desk does not know is a mistake."""

    model_config = ConfigDict(extra="forbid")


# who asks


class Me(Told):
    """Who the desk takes you for."""

    name: str = Field(description="Decisions are recorded under it.")
    operates: bool = Field(description="An operator of every tenant.")
    form_token: str = Field(
        description="Send it as `X-Form` with whatever changes something, unless you send a token."
    )


class TenantListed(Told):
    """A tenant that exists to you."""

    tenant: str
    policy: str = Field(description="The version that decides its images.")
    role: Role
    waiting: int = Field(description="Images that wait for a person.")


class TenantsListed(Told):
    tenants: list[TenantListed]


# lists


class ImageListed(Told):
    """One image as lists have it."""

    image_id: str
    tenant: str
    name: str
    verdict: str = Field(description="accept, review, reject, failed or pending.")
    why: str
    category: str | None
    quality: float | None
    reviews: int = Field(description="Decisions of people so far: name it as `seen` to decide.")
    person: str | None = Field(description="Whose verdict it is. Null: a policy's.")
    width: int | None
    height: int | None
    landed_at: float = Field(description="Seconds since the epoch.")
    thumbnail: str | None = Field(description="An address that is good for this session, a while.")


class ImagesListed(Told):
    """A page of a view."""

    total: int
    images: list[ImageListed]
    next: str | None = Field(description="Give it as `after` to get the next page.")
    complete_at: float | None = Field(
        description="Everything that was in Truth then is counted. Null: not built yet."
    )


class SimilarListed(ImageListed):
    """An image that looks like the one that was asked about."""

    similarity: float = Field(description="Cosine of the vectors: 1 is the same.")


class SimilarsListed(Told):
    """Images that look alike, the most alike first."""

    space: str = Field(description="Which engine and revision made the vectors.")
    compared: int = Field(description="Images of the tenant that have a vector.")
    images: list[SimilarListed]


class ClusterListed(Told):
    """Images that look alike."""

    size: int = Field(description="Images of the cluster.")
    images: list[SimilarListed] = Field(description="Its most typical images.")


class ClustersListed(Told):
    """A tenant's images in clusters, the largest first."""

    space: str = Field(description="Which engine and revision made the vectors.")
    compared: int = Field(description="Images of the tenant that have a vector.")
    clusters: list[ClusterListed]


class Facets(Told):
    """Images by value of each facet, among those that match all filters but its own.

    Of a facet with more than 1,000 values, the most frequent are here.
    """

    facets: dict[str, dict[str, int]]


# one image


class StoredObject(Told):
    """Where an image lies."""

    bucket: str
    key: str
    version: str
    size: int = Field(description="Bytes.")
    state: str = Field(description="present, replaced or deleted.")
    landed_at: float


class PolicyVerdict(Told):
    """What the policy says now."""

    verdict: str
    policy: str | None
    reasons: list[str]


class PersonVerdict(Told):
    """What a person says, where that stands."""

    verdict: str
    who: str | None
    at: float | None


class Failure(Told):
    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    kind: str = Field(alias="class")
    reason: str | None
    stage: str | None


class Reviewed(Told):
    """One decision of a person, or the lapse of one."""

    image_id: str
    tenant: str
    batch: str
    number: int
    at: float
    who: str
    action: str = Field(description="accept, reject, undo or lapse.")
    note: str
    evidence: dict[str, str] = Field(description="Stage, fingerprint: as it was shown.")
    policy: str | None
    policy_verdict: str | None
    sha256: str | None
    request_id: str


class Decided(Told):
    """One decision of a policy."""

    verdict: str
    policy: str
    reasons: list[str]
    at: float
    run_id: str


class EvidenceFound(Told):
    """What one stage found."""

    image_id: str
    stage: str
    fingerprint: str
    body: dict[str, Any]
    engine: str
    model: str
    revision: str
    determinism: str
    run_id: str
    created_at: float
    current: bool = Field(description="What decides now. Others were found before.")


class Event(Told):
    """One change of an image's record."""

    image_id: str
    tenant: str
    batch: str
    at: float
    kind: str
    from_status: str | None
    to_status: str
    reason: str
    run_id: str
    policy: str | None
    fence: int
    changes: dict[str, Any]


class Copy(Told):
    """Another image with the same bytes."""

    image_id: str
    key: str
    person_verdict: str | None


class ImageFacts(Told):
    """Everything about one image, from Truth."""

    image_id: str
    tenant: str
    object: StoredObject
    batch: str
    status: str
    why: str = Field(description="A sentence: where it is, and what it waits for.")
    boundary: str | None
    since: float | None
    next_step: str | None
    attempts: int
    decision: PolicyVerdict | None
    effective_verdict: str | None = Field(description="What counts. Null: nothing yet.")
    decided_by: str | None = Field(description="person or policy.")
    person: PersonVerdict | None
    asked_again: bool
    reviews: list[Reviewed]
    copies: list[Copy]
    failure: Failure | None
    decisions: list[Decided]
    evidence: list[EvidenceFound]
    history: list[Event]

    @property
    def shown_evidence(self) -> dict[str, str]:
        """Stage and fingerprint of what decides now: what a decision names."""
        return {one.stage: one.fingerprint for one in self.evidence if one.current}


class Media(Told):
    """Addresses of an image's pictures, good for this session, for a while."""

    thumbnail: str | None
    preview: str | None
    original: str
    download: str = Field(description="To save the original. It may lead to the storage.")


# decisions


class Decision(Asked):
    """A decision, on what was shown."""

    action: Action
    request_id: str = Field(
        min_length=8, max_length=100, description="Yours: the same one twice is one decision."
    )
    note: str = Field(default="", max_length=2000)
    seen: int | None = Field(default=None, description="How many decisions were shown with it.")
    evidence: dict[str, str] | None = Field(
        default=None, description="The evidence that was shown: stage, fingerprint."
    )


class DecisionOf(Decision):
    image_id: str


class Decisions(Asked):
    """Several decisions. What one is refused for stops no other."""

    decisions: list[DecisionOf] = Field(max_length=MOST_DECISIONS)


class Newer(Told):
    """The decision that was made meanwhile."""

    who: str
    action: str
    at: float


class ReviewTold(Told):
    """What became of a decision."""

    image_id: str | None
    image: str
    key: str | None
    action: str
    result: Literal["done", "done_before", "stale", "not_now", "refused", "unknown"]
    good: bool = Field(description="It is recorded.")
    says: str
    effective_verdict: str | None
    reviews: int | None
    request_id: str
    newer: Newer | None


class ReviewsTold(Told):
    decisions: list[ReviewTold]


# uploads


class Upload(Told):
    """Where to put a file. Send exactly these headers, and the bearer token where `authorize`."""

    upload_id: str
    key: str
    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str]
    authorize: bool = Field(description="The URL is ours: it wants the bearer token too.")
    expires_at: float = Field(description="Seconds since the epoch; begin before.")


class Uploads(Told):
    uploads: list[Upload]


class UploadStatus(Told):
    """How far an upload has come."""

    upload_id: str
    key: str
    status: str = Field(
        description="pending_upload, expired; then the image's: pending_validation, "
        "pending_vlm_enrichment, pending_iqa, pending_curation, curated, failed."
    )
    done: bool = Field(description="Nothing more will happen by itself.")
    image_id: str | None
    verdict: str | None = Field(description="accept, reject or review, once curated.")
    reasons: list[str] = Field(description="Why: of the verdict, the failure or the expiry.")


class UploadStatuses(Told):
    uploads: list[UploadStatus]
