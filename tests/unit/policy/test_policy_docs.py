"""The policy and the mistakes that docs/policies.md shows are real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from parjanya_dagster.policy import PolicyError, builtin, load

PAGE = (Path(__file__).parents[3] / "docs" / "policies.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("```yaml\n")[1].split("```")[0]
SOURCE = "sharp-photos@1.yaml"


def test_the_whole_policy_of_the_page_is_valid() -> None:
    assert load(EXAMPLE, source=SOURCE).ref == "sharp-photos@1"


@pytest.mark.parametrize(
    "edits",
    [
        {"version: 1": 'version: "1"', "below: 640": "belo: 640"},
        {"{evidence: enriched.text.words": "{evidence: enriched.text.boxes"},
    ],
)
def test_the_mistakes_of_the_page_are_told_in_these_words(edits: dict[str, str]) -> None:
    text = EXAMPLE
    for before, after in edits.items():
        text = text.replace(before, after)
    with pytest.raises(PolicyError) as caught:
        load(text, source=SOURCE)
    told = {str(problem) for problem in caught.value.problems}
    shown = {line for line in PAGE.splitlines() if line.startswith(f"{SOURCE}:")}
    assert told & shown
    if len(edits) == 2:
        assert told <= shown


def test_the_table_of_shipped_policies_shows_their_thresholds() -> None:
    for ref in builtin():
        assert f"`{ref}`" in PAGE
    size, *_, quality = builtin()["default@2"].document.rules
    ((_, too_small),), ((_, poor),) = size.when.ordering, quality.when.ordering
    assert f"reject under {too_small:g} px, review under {size.when.review_from:g} px" in PAGE
    assert f"reject under {poor:g}, review under {quality.when.review_from:g}" in PAGE
