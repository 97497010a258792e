"""Policies in Truth: published once, read back whole, refused when they changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from parjanya_dagster import policy
from parjanya_dagster.errors import PolicyConflict, PolicyInvalid, PolicyMissing
from parjanya_dagster.platform import Platform, open_platform
from parjanya_dagster.settings import Settings
from parjanya_dagster.truth.policy_registry import PolicyRegistry, read_file

MINE = """name: mine
version: {version}
description: Mine alone.
needs: {{validated: [technical.shorter_side]}}
rules:
  - id: too_small
    verdict: reject
    when: {{evidence: validated.technical.shorter_side, below: {below}}}
    reason: The shorter side is {{value}} px.
"""


def mine(version: int = 1, below: int = 100) -> policy.Policy:
    return policy.load(MINE.format(version=version, below=below))


def open_registry(platform: Platform) -> PolicyRegistry:
    return PolicyRegistry(platform.store, platform.clock)


def test_what_ships_is_published_when_the_platform_is_migrated(tmp_path: Path) -> None:
    store = open_platform(Settings(home=tmp_path / "home"), migrating=True).store
    shipped = policy.builtin()
    assert {one.ref: one.hash for one in store.policies()} == {
        ref: one.hash for ref, one in shipped.items()
    }
    store.close()


def test_a_policy_keeps_its_text_and_its_hash_through_truth(platform: Platform) -> None:
    platform.registry.publish(mine())
    read = open_registry(platform).get("mine@1")
    assert (read, read.text) == (mine(), mine().text)


def test_a_changed_file_under_the_same_version_is_refused(platform: Platform) -> None:
    platform.registry.publish(mine())
    with pytest.raises(PolicyConflict, match="mine@2"):
        platform.registry.publish(mine(below=101))
    assert open_registry(platform).get("mine@1") == mine()


def test_a_shipped_file_that_was_changed_does_not_change_what_is_published(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.registry.publish_builtin()
    before = platform.store.policies()
    changed = replace(policy.builtin()["default@1"], hash="sha256:other")
    monkeypatch.setattr(policy, "builtin", lambda: {"default@1": changed})
    open_registry(platform).publish_builtin()
    assert platform.store.policies() == before
    assert open_registry(platform).get("default@1").hash != "sha256:other"


def test_a_name_means_its_newest_version_by_number(platform: Platform) -> None:
    for version in (2, 10, 9):
        platform.registry.publish(mine(version))
    assert platform.registry.named("mine").ref == "mine@10"


def test_a_policy_that_is_not_there_is_named_with_those_that_are(platform: Platform) -> None:
    with pytest.raises(PolicyMissing, match=r"'mine@7'.*default@1, default@2"):
        platform.registry.get("mine@7")


def test_a_file_with_a_mistake_is_refused_with_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "mine@1.yaml"
    path.write_text(MINE.format(version=1, below="often"))
    with pytest.raises(PolicyInvalid, match=r"mine@1.yaml:\d+: rules\[0\].when.below"):
        read_file(path)
