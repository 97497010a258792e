"""What Truth and Belief say in numbers: measured from outside, for Prometheus and the dashboard.

Nothing is pushed by runs. An instance whose runs all died is measured as well as any.
"""
