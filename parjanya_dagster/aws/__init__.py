"""Thin wrappers over boto3: SQS queues, settings of S3 buckets, Auto Scaling groups.

Nothing is decided here: that is done elsewhere, by pure functions. Knows nothing of Dagster or of
Truth. Endpoints, regions and credentials come from the usual `AWS_…` variables, so the same code
works with a test server.
"""
