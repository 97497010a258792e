"""Which installation is tried on the control plane."""

from __future__ import annotations

SITE = "team"
OPERATORS = {"ServiceMonitor", "PrometheusRule"}  # kinds of an operator that is not here
