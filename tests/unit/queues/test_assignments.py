"""What a message asks for, read again. Anybody may have sent it, the release before among them."""

from __future__ import annotations

import pytest

from parjanya_dagster.errors import MessageUnreadable
from parjanya_dagster.lanes import SPLIT
from parjanya_dagster.queues.assignments import Assignment, read, read_body
from tests.support.snapshots import batch

ASKED = Assignment("asked-1", "gpu", SPLIT[1].reach, (batch(),), regrade=True, along=150)


def test_what_was_sent_is_read() -> None:
    assert read_body(ASKED.body()) == ASKED


def test_a_message_of_the_release_before_says_nothing_of_what_goes_along() -> None:
    document = ASKED.as_dict()
    del document["along"]
    assert read(document).along == 0


@pytest.mark.parametrize("along", [-1, "150", 1.5, True, None])
def test_a_bound_that_is_no_number_of_rows_is_refused(along: object) -> None:
    with pytest.raises(MessageUnreadable, match="go along"):
        read({**ASKED.as_dict(), "along": along})
