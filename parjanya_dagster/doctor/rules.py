"""diagnose(): a pure function from facts to findings. Is Intent missing, or can it not be realized?

Each rule reads the facts and yields findings of its own codes. The rules stand in a module per
boundary.
"""

from __future__ import annotations

from parjanya_dagster.doctor.case import Case
from parjanya_dagster.doctor.findings import Finding, Severity
from parjanya_dagster.doctor.launch_obstacles import findings as obstacle_findings
from parjanya_dagster.doctor.rules_belief import BELIEF_RULES
from parjanya_dagster.doctor.rules_buckets import BUCKET_RULES
from parjanya_dagster.doctor.rules_cloud import CLOUD_RULES
from parjanya_dagster.doctor.rules_execution import EXECUTION_RULES
from parjanya_dagster.doctor.rules_runs import RUN_RULES
from parjanya_dagster.doctor.rules_tenants import TENANT_RULES
from parjanya_dagster.doctor.rules_truth import TRUTH_RULES

RULES = (*TRUTH_RULES, *BUCKET_RULES, *TENANT_RULES, *BELIEF_RULES, *EXECUTION_RULES)


def diagnose(case: Case) -> list[Finding]:
    """Everything that is wrong by these facts: errors first, then the longest standing."""
    facts = case.facts
    findings = [finding for rule in RULES for finding in rule(case)]
    findings += [finding for rule in CLOUD_RULES for finding in rule(facts, case.grace)]
    if facts.snapshot is not None:
        for judge in RUN_RULES:
            findings += judge(facts.snapshot, case.lanes, case.limits, case.grace)
    findings += obstacle_findings(facts.obstacles, facts.now, case.grace)
    return sorted(
        findings,
        key=lambda finding: (
            finding.severity is not Severity.ERROR,
            finding.since or facts.now,
            finding.code,
        ),
    )
