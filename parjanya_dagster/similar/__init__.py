"""Finds images of a tenant that look like one of them, or like a picture that is brought along."""

from parjanya_dagster.similar.search import Alike, Answer, Similar

__all__ = ["Alike", "Answer", "Similar"]
