"""Finds images of a tenant that look like one of them, like a picture, or like what words say.

And the clusters that they form, and those that are like no other.
"""

from parjanya_dagster.similar.clusters import DEFAULT as DEFAULT_CLUSTERS
from parjanya_dagster.similar.clusters import Clusters
from parjanya_dagster.similar.search import Alike, Answer, Similar

__all__ = ["DEFAULT_CLUSTERS", "Alike", "Answer", "Clusters", "Similar"]
