"""AWS, spoken to through boto3: queues, buckets' settings, Auto Scaling groups. Thin faces only.

What is decided is decided elsewhere, by pure functions. Knows nothing of Dagster or of Truth.
Endpoints, regions and credentials come from the usual `AWS_…` variables, so the same code speaks
to a test server.
"""
