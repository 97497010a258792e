"""Stand-by processes: they have loaded code and models, and wait for a run (decision 0035).

`server` is the process that they are forked from, `worker` is the life of one, `launcher` is how
Dagster asks for one, `wire` what the two say to each other. Whatever fails here, the run starts as
it would without stand-bys.
"""
