"""Objects: where the bytes of images live. One interface for folders and for S3."""
