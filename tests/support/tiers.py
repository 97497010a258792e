"""Which tests need more than this process: marked by what they use, never by hand.

`server` needs a server or a browser, `model` loads a model, `instance` starts whole instances of
the platform, `long` explores at random or makes much. With `--quick` all four are left out, and
what is left out whole is not even imported.
`make nightly` looks at more examples of `properties`, and at all combinations of `sampled`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.support.simulated import EXAMPLES, SEED, WIDE

TESTS = Path(__file__).parents[1]
LEFT_OUT = {"server", "model", "instance", "long"}
SERVERS = {"postgres", "moto", "radosgw", "browser"}
MODULES = {
    "backup/test_backup.py": "long",
    "contract/test_concurrency.py": "long",
    "contract/test_stalled.py": "server",  # one of its own, which stands still
    "unit/defs/test_definitions.py": "long",  # processes that import the platform anew
    "unit/instance/test_prefork.py": "long",  # processes that import the settings anew
    "unit/instance/test_standby.py": "long",  # processes that import the platform anew
    "unit/instance/test_supervisor.py": "long",  # processes
    "unit/cli/test_commands.py": "long",  # a process for each command
    "unit/cli/test_operator.py": "long",  # an instance of Dagster is opened for each check
    "unit/media/test_corpus.py": "long",  # 252 files, each encoded and decoded
    "unit/media/test_fuzz.py": "long",
    "unit/media/test_pool.py": "long",  # processes
    # a world of images for each test
    "unit/execution/test_by_policy.py": "long",
    "unit/execution/test_notice.py": "long",  # processes that are told to end
    "unit/execution/test_duplicates.py": "long",
    "unit/execution/test_manifest_pauses.py": "long",
    "unit/regrade/test_regrade.py": "long",
    "unit/release/test_writing.py": "long",
    "web/test_client.py": "long",
    "web/test_regrade.py": "long",
    "web/test_similar.py": "long",
    "unit/gpu_ops/test_own_embedders.py": "model",
    "unit/learning/test_learning.py": "long",  # tastes are fitted
    "unit/metrics/test_dashboard_json.py": "server",  # promtool comes with Prometheus
    "unit/release/test_killed.py": "long",  # processes
    "unit/release/test_loading.py": "long",  # what others read a release with is imported
    "unit/test_licences.py": "long",  # what each installed package says of itself is read
    "unit/support/test_forking.py": "long",  # a process imports the platform
    "unit/test_wheel.py": "long",  # a package is built
}
FUNCTIONS = {
    # processes that import the platform anew
    "test_a_backup_that_is_killed_leaves_none_and_the_next_one_is_whole": "long",
    "test_a_restore_that_is_killed_leaves_the_old_truth_and_can_be_done_again": "long",
    "test_a_shell_completes": "long",
    "test_a_terminal_gets_colours_unless_it_wants_none": "long",
    "test_many_processes_may_open_an_empty_database_at_once": "long",
    "test_processes_claim_and_commit_each_row_exactly_once": "long",
    "test_one_process_holds_a_home_and_a_dead_one_holds_nothing": "long",
    "test_spans_are_delivered_when_a_process_ends_forked_or_not": "long",
    "test_the_command_tells_where_it_is_served_and_ends_with_status_1_when_it_dies": "long",
    "test_the_default_engines_load_nothing_of_the_gpu_stack": "long",
    "test_what_is_asked_often_imports_nothing_heavy": "long",
    "test_where_traces_are_off_nothing_of_opentelemetry_is_imported": "long",
    # they import torch
    "test_a_cup_of_espresso_is_tagged_and_noise_and_a_drawing_are_not": "long",
    "test_the_features_of_lite0_are_a_space_of_their_own": "long",
    "test_torchs_own_error_is_one_of_them": "long",
    "test_torchvision_imports_and_suppresses_overlapping_boxes_after_the_cure": "long",
    # pictures of 15 million pixels
    "test_a_picture_beyond_memory_is_the_same_picture": "long",
    # thousands of names, images, tenants or files
    "test_after_a_long_sweep_only_its_own_tenant_waits_for_as_long_as_it_is_worth": "long",
    "test_copies_cost_no_square": "long",
    "test_a_slow_round_over_many_tenants_is_paid_by_all": "long",
    "test_a_thousand_that_never_came_cost_one_preflight": "long",
    "test_it_is_tried_again_later_and_less_and_less_often": "long",
    "test_nothing_imports_a_test_module_or_a_conftest": "long",
    "test_only_controls_line_separators_and_what_is_no_utf8_are_refused": "long",
    "test_the_metadata_of_a_thousand_images_is_bounded": "long",
    # what a decoder outside of its jail could do, three times
    "test_a_decoder_outside_the_jail_could": "long",
    # hundreds of answers of a server
    "test_some_sure_answers_are_looked_at_again_to_see_what_the_order_does": "long",
    # its examples are drawn inside
    "test_every_row_of_any_journey_can_be_rebuilt_from_its_events": "properties",
    # worlds of images, one for each example
    "test_any_interleaving_ends_in_the_same_decisions": "long",
    "test_there_and_back_is_the_identity_in_any_order": "long",
}
"""By the names of their functions."""
QUICK_MOST = 3
"""So many combinations of a test's parameters does a quick run take, evenly spread."""
FOLDERS = {
    "cluster": "server",
    "deploy": "instance",
    "end_to_end": "instance",
    "incidents": "long",  # days pass
    "served": "server",
    "simulation": "long",
    "unit/demo": "long",  # it makes the whole sample set, twice
    "unit/gpu_ops/iqa": "model",
    "unit/gpu_ops/preflight": "model",
    "unit/gpu_ops/vlm": "model",
}
SAMPLED = {"contract/test_evidence_of_decisions.py": 4}
"""On DynamoDB's emulator one of so many combinations is tried; `make nightly` tries all."""
BY_DAY = {
    "test_a_defect_that_comes_back_fails_its_assertion": 3,
    "test_a_chain_has_one_answer_in_any_order": 3,
    "test_a_death_at_any_request_changes_nothing_in_the_end": 1,  # it samples inside
    "test_a_policy_that_changes_twice_leaves_nothing_of_the_first": 2,
    "test_after_any_journey_they_agree": 3,
    "test_every_metric_loads_from_its_files_and_scores": 2,
    "test_the_scene_comes_out": 3,
    "test_wherever_a_regrade_meets_an_image_it_is_decided_from_what_its_policy_asks": 2,
}
"""On every backend one of so many combinations is tried by day; `make nightly` tries all."""
ARCHITECTURES = ("qwen2_5_vl", "qwen3_vl")
OF_EITHER = ("unit/gpu_ops/vlm/test_reader.py", "unit/gpu_ops/vlm/test_transformers_enricher.py")
"""Modules that ask the same of two model architectures: by day one has the one, and the other the
other; `make nightly` tries both in both."""
MANNERED = {"contract/test_work.py": 6, "contract/test_likeness.py": 5}
"""Modules of the contract that run over AWS's manners by day, one of so many tests."""
LONGEST_FIRST = ("end_to_end", "unit/gpu_ops", "simulation", "deploy", "contract", "incidents")
"""What takes long begins first, so that no process works on it alone when the others are done."""
MARKS = {
    "server": "needs a server or a browser",
    "model": "loads a model",
    "instance": "starts a whole instance of the platform",
    "long": "explores at random or makes much, for long",
    "properties": "is asked of random examples",
    "sampled": "is one of many combinations, of which few are tried by day",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"without {', '.join(sorted(LEFT_OUT))}")


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    place = _place(collection_path)
    marks = {FOLDERS.get(place), MODULES.get(place)}
    return True if config.getoption("quick") and marks & LEFT_OUT else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        place, function = _place(item.path), getattr(item, "originalname", "")
        if SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker("properties")
        for folder, mark in FOLDERS.items():
            if place.startswith(f"{folder}/"):
                item.add_marker(mark)
        if mark := MODULES.get(place) or FUNCTIONS.get(function):
            item.add_marker(mark)
    _sample(config, items)
    if config.getoption("quick"):
        _leave_out(
            config, items, (i for i in items if LEFT_OUT & {m.name for m in i.iter_markers()})
        )
        for many in _by_function(items):
            _leave_out(config, items, _others(many, -(-len(many) // QUICK_MOST)))
    items.sort(key=_turn)


def _sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what only a night has the time for."""
    left_out: list[pytest.Item] = []
    for module, one_of in SAMPLED.items():
        many = [one for one in items if _place(one.path) == module and "dynamodb" in one.name]
        for item in many:
            item.add_marker("sampled")
        if EXAMPLES < WIDE:
            left_out += [item for n, item in enumerate(many) if n % one_of]
    for many in _by_function(items):
        function = getattr(many[0], "originalname", "")
        if function in BY_DAY:
            for item in many:
                item.add_marker("sampled")
            if EXAMPLES < WIDE:
                left_out += _others(many, BY_DAY[function])
        elif (module := _place(many[0].path)) in OF_EITHER and EXAMPLES < WIDE:
            left_out += _of_the_other(many, OF_EITHER.index(module))
    mannered = [one for one in items if "manners" in _parameter(one)]
    for item in mannered:
        item.add_marker("sampled")
    if EXAMPLES < WIDE:
        by_day = [
            item
            for module, one_of in MANNERED.items()
            for item in [one for one in mannered if _place(one.path) == module][::one_of]
        ]
        left_out += set(mannered) - set(by_day)
    _leave_out(config, items, left_out)


def _by_function(items: Iterable[pytest.Item]) -> list[list[pytest.Item]]:
    """Tests that differ in their parameters only, together."""
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        found.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [*found.values()]


def _others(many: Sequence[pytest.Item], one_of: int) -> set[pytest.Item]:
    """All but one of so many neighbours, which the seed of the session chooses."""
    rng = random.Random(f"{SEED} {many[0].path.name}")
    groups = (many[first : first + one_of] for first in range(0, len(many), one_of))
    return set(many) - {rng.choice(group) for group in groups}


def _of_the_other(many: Sequence[pytest.Item], turn: int) -> list[pytest.Item]:
    """Those with the architecture that another module tries today, where many have both."""
    other = (random.Random(SEED).randrange(2) + turn) % 2
    found = [[item for item in many if name in _parameter(item)] for name in ARCHITECTURES]
    return found[other] if all(found) else []


def _parameter(item: pytest.Item) -> Sequence[str]:
    """The parts of a test's id in brackets."""
    call = getattr(item, "callspec", None)
    return call.id.split("-") if call is not None else ()


def _leave_out(
    config: pytest.Config, items: list[pytest.Item], left_out: Iterable[pytest.Item]
) -> None:
    if gone := set(left_out):
        config.hook.pytest_deselected(items=[*gone])
        items[:] = [item for item in items if item not in gone]


@cache
def _place(path: Path) -> str:
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""


def _turn(item: pytest.Item) -> int:
    for turn, folder in enumerate(LONGEST_FIRST):
        if _place(item.path).startswith(f"{folder}/"):
            return turn
    return len(LONGEST_FIRST)
