"""Checks the settings of a tenant's bucket. Each finding says what to do.

`look` asks S3, and pure rules judge its answers. CORS is also proved by a real preflight, because
rules that look right on paper may still refuse a browser.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from parjanya_dagster.aws.clients import calling, client, code
from parjanya_dagster.errors import CloudUnavailable, ParjanyaError

DAY = 86_400.0


class Mark(StrEnum):
    """An error keeps images from arriving or from being decided, or exposes them to strangers."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"  # it could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    mark: Mark
    said: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the settings of a bucket are compared with."""

    bucket: str
    prefix: str
    queue_arn: str = ""  # empty: no notifications are expected
    keep: float = 3 * DAY  # seconds that an upload must stay
    origins: Sequence[str] = ()  # web origins that upload; none: browsers need not


@dataclass(frozen=True, slots=True)
class Seen:
    """What S3 answered for each setting. None: the bucket has no such setting."""

    notifications: Mapping[str, Any] | None = None
    lifecycle: Mapping[str, Any] | None = None
    encryption: Mapping[str, Any] | None = None
    public_access: Mapping[str, Any] | None = None
    cors: Mapping[str, Any] | None = None
    refused: Mapping[str, str] = field(default_factory=dict)  # what could not be asked -> why


def reachable(bucket: str) -> Finding:
    """Whether the bucket exists and may be listed."""
    from botocore.exceptions import ClientError

    try:
        with calling("s3:ListBucket", f"the bucket {bucket}"):
            try:
                client("s3").list_objects_v2(Bucket=bucket, MaxKeys=1)
            except ClientError as error:
                if code(error) in ("NoSuchBucket", "404"):
                    return Finding("exists", Mark.ERROR, f"There is no bucket {bucket}.",
                                   "Make it, or correct the tenant's bucket.")  # fmt: skip
                raise
    except CloudUnavailable as error:
        step = "Without s3:ListBucket an object that is gone looks like one that is forbidden."
        return Finding("exists", Mark.ERROR, str(error), step)
    return Finding("exists", Mark.OK, f"{bucket} is there and can be listed.")


def look(bucket: str) -> Seen:
    """Ask for each setting. A setting that we may not read is named in `refused`."""
    from botocore.exceptions import ClientError

    s3, refused = client("s3"), {}

    def ask(name: str, permission: str, call: Callable[..., Any]) -> Mapping[str, Any] | None:
        try:
            with calling(permission, f"the bucket {bucket}"):
                try:
                    answer: Mapping[str, Any] = call(Bucket=bucket)
                    return answer
                except ClientError as error:
                    if code(error) in _NONE:
                        return None
                    raise
        except ParjanyaError as error:
            refused[name] = str(error)
            return None

    return Seen(
        ask("notification", "s3:GetBucketNotification", s3.get_bucket_notification_configuration),
        ask("retention", "s3:GetLifecycleConfiguration", s3.get_bucket_lifecycle_configuration),
        ask("encryption", "s3:GetEncryptionConfiguration", s3.get_bucket_encryption),
        ask("public access", "s3:GetBucketPublicAccessBlock", s3.get_public_access_block),
        ask("cors", "s3:GetBucketCORS", s3.get_bucket_cors),
        refused,
    )


_NONE = (
    "NoSuchLifecycleConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchCORSConfiguration",
)


def judge(
    seen: Seen, wanted: Wanted, objections: Callable[[Any, Sequence[str]], list[str]]
) -> list[Finding]:
    """Compare the settings with what is wanted.

    `objections` judges CORS rules for these origins.
    """
    rules: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        ("notification", lambda: _notification(seen, wanted)),
        ("retention", lambda: _retention(seen, wanted)),
        ("encryption", lambda: _encryption(seen)),
        ("public access", lambda: _public_access(seen)),
        ("cors", lambda: _cors(seen, wanted, objections)),
    )
    findings: list[Finding] = []
    for name, rule in rules:
        if name in seen.refused:
            step = "Allow it to whoever runs this check; what it would show is not known."
            findings.append(Finding(name, Mark.WARNING, seen.refused[name], step))
        else:
            findings += rule()
    return findings


def _notification(seen: Seen, wanted: Wanted) -> list[Finding]:
    name = "notification"
    if not wanted.queue_arn:
        text = "No arrivals queue is set: the sweep finds what lands."
        return [Finding(name, Mark.OK, text)]
    ours = [
        rule
        for rule in (seen.notifications or {}).get("QueueConfigurations", ())
        if rule.get("QueueArn") == wanted.queue_arn and _covers(rule, wanted.prefix)
    ]
    events = {event for rule in ours for event in rule.get("Events", ())}
    step = f"Notify {wanted.queue_arn} of s3:ObjectCreated:* and s3:ObjectRemoved:*."
    if (seen.notifications or {}).get("EventBridgeConfiguration") is not None and not ours:
        text = "Events go to EventBridge; whether a rule sends them to the queue is not known here."
        return [Finding(name, Mark.WARNING, text, step)]
    if not any(event.startswith("s3:ObjectCreated:") for event in events):
        text = "Nothing that lands is told to our queue: only the sweep finds it, later."
        return [Finding(name, Mark.ERROR, text, step)]
    if "s3:ObjectCreated:*" not in events:
        text = f"Only some ways to create an object are told: {', '.join(sorted(events))}."
        return [Finding(name, Mark.WARNING, text, step)]
    if not any(event.startswith("s3:ObjectRemoved:") for event in events):
        text = "What is deleted is not told: only the sweep finds it, later."
        return [Finding(name, Mark.WARNING, text, step)]
    return [Finding(name, Mark.OK, "What lands and what is deleted is told to our queue.")]


def _covers(configuration: Mapping[str, Any], prefix: str) -> bool:
    """Whether uploads of any name pass the filter."""
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    return all(
        str(rule.get("Name", "")).lower() == "prefix" and prefix.startswith(rule.get("Value", ""))
        for rule in rules
    )


def _retention(seen: Seen, wanted: Wanted) -> list[Finding]:
    short = [
        (rule, days)
        for rule in (seen.lifecycle or {}).get("Rules", ())
        if rule.get("Status") == "Enabled"
        and (days := _days(rule)) is not None
        and days * DAY < wanted.keep
        and _overlaps(_prefix(rule), wanted.prefix)
    ]
    if short:
        rule, days = short[0]
        text = (
            f"The lifecycle rule {rule.get('ID', '')!r} deletes uploads after {days:.0f} days; an "
            f"image may take {wanted.keep / DAY:.0f} to be decided."
        )
        return [Finding("retention", Mark.ERROR, text, "Let it leave uploads alone for longer.")]
    return [Finding("retention", Mark.OK, "No lifecycle rule deletes uploads too soon.")]


def _days(rule: Mapping[str, Any]) -> float | None:
    """After how many days a rule deletes. None: never. A fixed date counts as 0 days."""
    expiration = rule.get("Expiration", {})
    return 0.0 if "Date" in expiration else expiration.get("Days")


def _prefix(rule: Mapping[str, Any]) -> str:
    chosen = rule.get("Filter", {})
    chosen = chosen.get("And", chosen)
    if chosen.get("Tags") or chosen.get("Tag"):
        return "\0"  # the rule is for tagged objects, and uploads have no tags
    return str(chosen.get("Prefix", rule.get("Prefix", "")) or "")


def _overlaps(prefix: str, other: str) -> bool:
    return prefix.startswith(other) or other.startswith(prefix)


def _encryption(seen: Seen) -> list[Finding]:
    rules = (seen.encryption or {}).get("ServerSideEncryptionConfiguration", {}).get("Rules", ())
    kinds = [
        rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm") for rule in rules
    ]
    if not any(kinds):
        step = "Set default encryption: SSE-S3 or SSE-KMS."
        text = "The bucket encrypts nothing by default."
        return [Finding("encryption", Mark.ERROR, text, step)]
    return [
        Finding("encryption", Mark.OK, f"Encrypted by default: {', '.join(filter(None, kinds))}.")
    ]


_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _public_access(seen: Seen) -> list[Finding]:
    blocked = (seen.public_access or {}).get("PublicAccessBlockConfiguration", {})
    open_still = [name for name in _BLOCKS if not blocked.get(name)]
    if open_still:
        text = f"Public access is not blocked: {', '.join(open_still)}."
        return [Finding("public access", Mark.ERROR, text, "Switch on all four blocks.")]
    return [Finding("public access", Mark.OK, "All four blocks are on.")]


def _cors(
    seen: Seen, wanted: Wanted, objections: Callable[[Any, Sequence[str]], list[str]]
) -> list[Finding]:
    rules: Iterable[Any] = (seen.cors or {}).get("CORSRules", ())
    problems = objections(list(rules), wanted.origins)
    if problems:
        step = "Correct the CORS rules of the bucket."
        return [Finding("cors", Mark.ERROR, problem, step) for problem in problems]
    text = "The rules allow uploads from the web." if wanted.origins else "No web origin is set."
    return [Finding("cors", Mark.OK, text)]
