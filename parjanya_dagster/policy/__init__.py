"""Policies: immutable, versioned documents that turn evidence into decisions.

Pure. Knows nothing of stores, Dagster, or where evidence comes from.
"""

from __future__ import annotations

from .boundary import STAGES, Provided, boundary, lacking, provided, unasked
from .canonical import canonical_json
from .comparison import Comparison, Flip, compare
from .diff import Change, PolicyDiff, diff
from .document import Verdict
from .errors import PolicyChanged, PolicyError, Problem, UnknownPolicy
from .evaluation import (
    EVALUATION_VERSION,
    Decision,
    Duplicate,
    Reason,
    allowed_by,
    evaluate,
    read_by,
    softened,
)
from .movable import movable, moved_comparison
from .versions import Policy, builtin, load, newest, parse_ref, refuse_changed

__all__ = [
    "EVALUATION_VERSION",
    "STAGES",
    "Change",
    "Comparison",
    "Decision",
    "Duplicate",
    "Flip",
    "Policy",
    "PolicyChanged",
    "PolicyDiff",
    "PolicyError",
    "Problem",
    "Provided",
    "Reason",
    "UnknownPolicy",
    "Verdict",
    "allowed_by",
    "boundary",
    "builtin",
    "canonical_json",
    "compare",
    "diff",
    "evaluate",
    "lacking",
    "load",
    "movable",
    "moved_comparison",
    "newest",
    "parse_ref",
    "provided",
    "read_by",
    "refuse_changed",
    "softened",
    "unasked",
]
