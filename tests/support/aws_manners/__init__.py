"""AWS's manners over moto: what the services may do, and the emulator never does.

A layer between code and moto, in the process of a test. `chance` is the seeded source of all
faults. `dynamo`, `streams`, `queues`, `objects` and `rights` hook themselves into a boto3 client
(`follow`) below botocore's retries, so what botocore retries is retried here too. Time is the
clock of the test; nothing sleeps (`unhurried`). Each rule names its source; docs/aws-emulator.md
lists them, and what is not modelled.
"""
