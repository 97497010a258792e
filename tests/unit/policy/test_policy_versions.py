"""Reading policies: what is accepted, what is refused and in which words, and what has one hash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from parjanya_dagster.policy import (
    PolicyChanged,
    PolicyError,
    UnknownPolicy,
    builtin,
    load,
    newest,
    parse_ref,
    refuse_changed,
)

# Published versions never change: whoever breaks this test publishes a new version instead.
PUBLISHED = {
    "default@1": "sha256:6a5e55c2b3ce8b723a7f9a45ea7f4d8436cdc4bd2c3035ebfd199e757e0cc6da",
    "default@2": "sha256:8f9c4e54da2eab82eececed2d2c546d42418d2a30617283cae0cb3e958441d60",
    "default@3": "sha256:96bda6114d6605e015856d9a47b3d68d1232a9344e152dfbeb5c827aea33f271",
}

SMALL = """\
name: small
version: 3
description: Only the size counts.
needs:
  validated: [technical.shorter_side]
rules:
  - id: too_small
    verdict: reject
    when: {evidence: validated.technical.shorter_side, below: 200, review_from: 320}
    reason: The shorter side is {value} px, under {threshold}.
"""


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(text, source="small@3.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_the_shipped_policies_have_the_content_they_were_published_with() -> None:
    assert {ref: policy.hash for ref, policy in builtin().items()} == PUBLISHED


def test_every_shipped_file_is_named_after_its_policy() -> None:
    for ref, policy in builtin().items():
        assert policy.source == f"policies/{ref}.yaml"


def test_the_newest_version_is_the_highest_number_and_not_the_last_name() -> None:
    versions = [load(SMALL.replace("version: 3", f"version: {n}")) for n in (9, 10, 2)]
    assert newest("small", {p.ref: p for p in versions}).ref == "small@10"
    assert newest("default").ref == "default@3"
    with pytest.raises(UnknownPolicy, match="'nobody'"):
        newest("nobody")


@pytest.mark.parametrize("ref", ["default", "default@", "default@0", "default@two", "a@1@2", "D@1"])
def test_a_ref_that_is_no_ref_is_refused(ref: str) -> None:
    with pytest.raises(UnknownPolicy, match="name@version"):
        parse_ref(ref)


def test_layout_comments_and_order_of_keys_do_not_change_the_hash() -> None:
    lines = SMALL.splitlines()
    shuffled = "\n".join(["# a comment", *lines[3:], *reversed(lines[:3])])
    assert load(shuffled).hash == load(SMALL).hash
    assert load(SMALL.replace("below: 200,", "below: 200.0,")).hash == load(SMALL).hash
    assert load(SMALL + "duplicates: {exact: ignore}\n").hash == load(SMALL).hash


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("below: 200", "below: 201"),
        ("version: 3", "version: 4"),
        ("px, under", "pixels, under"),
        ("verdict: reject", "verdict: review"),
        ("only the", "just the"),
        ("review_from: 320", "review_from: 321"),
    ],
)
def test_any_change_of_content_changes_the_hash(before: str, after: str) -> None:
    text = SMALL.replace("Only the", "only the")
    changed = text.replace(before, after)
    if "verdict: review" in changed:
        changed = changed.replace(", review_from: 320", "")
    assert load(changed).hash != load(text).hash


def test_the_written_text_survives_reading_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "small@3.yaml"
    path.write_text(SMALL)
    assert load(path) == load(str(path)) == load(SMALL)
    assert load(path).text == SMALL


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("version: 3", 'version: "3"', "small@3.yaml:2: version: must be a valid integer"),
        ("version: 3", "version: 0", "small@3.yaml:2: version: "),
        ("below: 200", "belo: 200", "small@3.yaml:9: rules[0].when.belo: no such field"),
        ("verdict: reject", "verdict: rejects", "small@3.yaml:8: rules[0].verdict: "),
        ("    reason: The", "    raison: The", "small@3.yaml:10: rules[0].raison: no such field"),
        ("version: 3\n", "", "small@3.yaml:1: version: is required"),
        ("below: 200", "below: .inf", "small@3.yaml:9: rules[0].when.below: "),
        ("below: 200", "below: 400", "review_from must be more than below (400)"),
        ("below: 200", "at_least: 200", "review_from must be less than at_least (200)"),
        ("below: 200", "equals: 200", "review_from needs exactly one of"),
        ("below: 200", "equals: [1]", "rules[0].when.equals: must be true or false, a number"),
        ("below: 200", "below: 200, sum_of: [a]", "give exactly one of evidence, sum_of"),
        ("{value}", "{valu}", "small@3.yaml:10: rules[0].reason: {valu} is not known here"),
        ("{value}", "{value", "a brace stands alone"),
        ("[technical.shorter_side]", "[]", "add technical.shorter_side to needs.validated"),
        ("verdict: reject", "verdict: review", "review_from is for verdict: reject"),
        ("id: too_small", "id: no_objection", "'no_objection' is taken"),
        ("version: 3", "version: 3\nversion: 4", "small@3.yaml:3: version: given twice"),
        ("version: 3", "version: 2026-11-22", "put it in quotes"),
        ("needs:\n", "needs: &n\n", ""),
        ("version: 3", "version: [3", "small@3.yaml:3: not valid YAML"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(before: str, after: str, expected: str) -> None:
    text = SMALL.replace(before, after)
    assert text != SMALL
    if not expected:  # an anchor alone is harmless
        assert load(text) == load(SMALL)
        return
    assert expected in "\n".join(problems(text))


def test_all_mistakes_are_told_at_once() -> None:
    text = SMALL.replace("version: 3", "version: -1").replace("below: 200", "belo: 2")
    assert [problem.split(": ")[1] for problem in problems(text)] == [
        "version",
        "rules[0].when.belo",
    ]


def test_two_rules_may_not_share_an_id() -> None:
    rule = SMALL[SMALL.index("  - id") :]
    assert "small@3.yaml:11: rules[1].id: 'too_small' is taken" in problems(SMALL + rule)[0]


def test_an_alias_is_refused_before_it_can_flood_memory() -> None:
    assert "aliases are not read" in problems(SMALL.replace("[technical", "*x #"))[0]


@pytest.mark.parametrize(
    "text", ["\n", "- 1\n", "word\n\n", "a: b\n---\nc: d\n", "[" * 5000 + "\n"]
)
def test_text_that_is_no_policy_is_refused_without_a_crash(text: str) -> None:
    assert problems(text)


def test_a_file_that_is_absent_or_no_text_or_misnamed_says_so(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"nowhere\.yaml: cannot be read"):
        load(tmp_path / "nowhere.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load(tmp_path / "binary.yaml")
    (tmp_path / "small@4.yaml").write_text(SMALL)
    with pytest.raises(PolicyError, match=r"holds small@3: rename"):
        load(tmp_path / "small@4.yaml")


def test_a_published_version_with_other_content_is_refused() -> None:
    policy, edited = load(SMALL), load(SMALL.replace("200", "100"))
    refuse_changed(policy, {"small@3": policy.hash})
    refuse_changed(edited, {"small@2": policy.hash})
    with pytest.raises(PolicyChanged, match="publish this as small@4"):
        refuse_changed(edited, {"small@3": policy.hash})


def test_importing_policy_pulls_in_nothing_of_ours_and_nothing_heavy() -> None:
    program = (
        "import sys, parjanya_dagster.policy\n"
        "ours = {m.split('.')[1] for m in sys.modules if m.startswith('parjanya_dagster.')}\n"
        "assert ours == {'policy'}, ours\n"
        "heavy = {'dagster', 'torch', 'numpy', 'pandas', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
