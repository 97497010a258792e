"""The Python client of the desk: `from parjanya_dagster.client import Parjanya`.

It talks to the JSON API of a desk. It needs no home and imports no Dagster. `messages` has the
classes of the API's messages. The desk uses the same classes.
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
