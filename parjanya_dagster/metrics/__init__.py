"""Truth and Belief in numbers, measured from outside, for Prometheus and the dashboard.

Runs push nothing, so an instance whose runs all died is measured as well as any other.
"""
