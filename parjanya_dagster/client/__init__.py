"""The desk from a program: `from parjanya_dagster.client import Parjanya`.

It speaks to the JSON API of a desk that runs somewhere, and needs neither a home nor Dagster.
`messages` are the API's answers as both sides read them: the desk answers with the same classes.
"""

from parjanya_dagster.client.desk import Parjanya
from parjanya_dagster.client.messages import ImageFacts, ImageListed, ReviewTold, UploadStatus
from parjanya_dagster.client.release_messages import ReleaseWanted
from parjanya_dagster.client.view import View

__all__ = [
    "ImageFacts",
    "ImageListed",
    "Parjanya",
    "ReleaseWanted",
    "ReviewTold",
    "UploadStatus",
    "View",
]
