"""A short soak: what `make soak` does for as long as it is asked to."""

from __future__ import annotations

from pathlib import Path

from tests.end_to_end.soak import Plan, Soak, table


def test_nothing_is_lost_while_processes_die_and_dagsters_storage_is_deleted_in_the_middle(
    tmp_path: Path,
) -> None:
    # Half-way `parjanya up` is killed with everything else: once is enough for half a minute.
    plan = Plan(images=45, seconds=30.0, between=6.0, seed=11, parent=False)
    soak = Soak(plan, tmp_path)
    result = soak.run()
    assert result.wrong == [], f"{table(plan, result)}\n{soak.instance.logs()}"
    assert sum(result.uploaded.values()) == plan.images
    assert sum(result.faults.values()) >= 3
    assert result.faults["everything, and Dagster's storage"] == 1
