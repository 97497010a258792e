"""A regrade as a backfill of its lane's job, so that Dagster's UI shows it.

Dagster makes one run of each stretch of neighbouring partitions. If there are too many stretches,
no backfill is made, and the reconciler packs the partitions.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from parjanya_dagster.belief.tags import (
    INTENT_TAG,
    POLICY_TAG,
    PRIORITY,
    REGRADE,
    REPLAY_TAG,
    SHARE_TAG,
    STAGES_TAG,
)
from parjanya_dagster.errors import BackfillRefused
from parjanya_dagster.intent.plan import REGRADE_PRIORITY
from parjanya_dagster.lanes import Lane
from parjanya_dagster.truth.models import Regrade

UI_FILE = "ui"  # in the home: the address of the UI that runs over it
MOST_STRETCHES = 8
_INSTANCE = "query { instance { info } }"
_LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
    ... on PartitionSetNotFoundError { message }
    ... on PartitionKeysNotFoundError { message }
    ... on UnauthorizedError { message }
  }
}
"""


def ui_address(home: Path) -> str | None:
    """The address of the UI of a home. None: no UI runs over it.

    The file may be of an instance that has ended, and another home's UI may be at its port since.
    So the UI is asked whose it is.
    """
    try:
        url = (home / UI_FILE).read_text().strip()
        described = _ask(url, _INSTANCE, {}, timeout=3.0)["instance"]["info"]
        folder = yaml.safe_load(described or "")["local_artifact_storage"]["config"]["base_dir"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError, BackfillRefused):
        return None
    return url if Path(folder).resolve() == (home / "dagster").resolve() else None


def stretches(keys: Sequence[str], wanted: Sequence[str]) -> int:
    """Runs that a backfill of these keys makes: one per stretch of neighbours in `keys`."""
    chosen = set(wanted)
    before = [None, *keys]
    return sum(
        key in chosen and previous not in chosen
        for previous, key in zip(before, keys, strict=False)
    )


def tags_of(regrade: Regrade, lane: Lane, stages: Sequence[str]) -> dict[str, str]:
    """The tags of every run of a regrade."""
    return {
        INTENT_TAG: REGRADE,
        SHARE_TAG: f"{lane.name}:{REGRADE}",
        STAGES_TAG: json.dumps(list(stages)),
        REPLAY_TAG: regrade.replay_id,
        POLICY_TAG: regrade.policy,
        PRIORITY: str(REGRADE_PRIORITY),
    }


def launch(
    url: str, regrade: Regrade, lane: Lane, stages: Sequence[str], keys: Sequence[str]
) -> str:
    """Ask Dagster for the backfill. Returns its id. Raises BackfillRefused."""
    params = {
        "selector": {
            "partitionSetName": f"{lane.job}_partition_set",
            "repositorySelector": {
                "repositoryName": "__repository__",
                "repositoryLocationName": "parjanya",
            },
        },
        "partitionNames": list(keys),
        "assetSelection": [{"path": [stage]} for stage in stages],
        "title": f"Regrade to {regrade.policy}",
        "description": f"{regrade.replay_id}: {', '.join(regrade.tenants)}",
        "tags": [
            {"key": key, "value": value} for key, value in tags_of(regrade, lane, stages).items()
        ],
    }
    answer = _ask(url, _LAUNCH, {"params": params})["launchPartitionBackfill"]
    if answer["__typename"] != "LaunchBackfillSuccess":
        raise BackfillRefused(
            f"Dagster made no backfill: {answer.get('message', answer['__typename'])}"
        )
    return str(answer["backfillId"])


def _ask(
    url: str, query: str, variables: Mapping[str, Any], timeout: float = 60.0
) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{url}/graphql",
        data=json.dumps({"query": query, "variables": variables}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            body: dict[str, Any] = json.load(answer)
    except urllib.error.URLError as error:
        raise BackfillRefused(f"{url} does not answer: {error}") from error
    if body.get("errors"):
        raise BackfillRefused(f"Dagster refused: {body['errors'][0].get('message')}")
    data: dict[str, Any] = body["data"]
    return data
