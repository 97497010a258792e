"""The application that takes uploads: an ASGI app with a page for people, and OpenAPI.

It hands out URLs; the bytes go from the browser to S3. Where buckets are folders, it takes the
bytes itself. It keeps nothing: any number may run, and any may be killed.
"""

from parjanya_dagster.web.uploads.app import create_app

__all__ = ["create_app"]
