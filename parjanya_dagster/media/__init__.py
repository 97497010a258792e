"""Images as bytes: sniffed, decoded completely, measured, previewed, shown on contact sheets.

Knows nothing of Dagster, databases, tenants or buckets: bytes in, facts out.
"""

from .comparing import Asked, Found, compared, compared_beside
from .errors import FAILURE_CLASSES, FailureClass, MediaError, Rejected
from .likeness import NEAR
from .likeness import SIDE as LIKENESS_SIDE
from .likeness import apart as likeness_apart
from .likeness import keys as likeness_keys
from .limits import Limits
from .pool import DecoderPool
from .resemblance import Match, alike
from .sheet import VERDICT_COLOURS, Tile, contact_sheet
from .sidecars import LARGEST as LARGEST_SIDECAR
from .sidecars import names as sidecar_names
from .validation import VALIDATION_VERSION, Validated, validate

__all__ = [
    "FAILURE_CLASSES",
    "LARGEST_SIDECAR",
    "LIKENESS_SIDE",
    "NEAR",
    "VALIDATION_VERSION",
    "VERDICT_COLOURS",
    "Asked",
    "DecoderPool",
    "FailureClass",
    "Found",
    "Limits",
    "Match",
    "MediaError",
    "Rejected",
    "Tile",
    "Validated",
    "alike",
    "compared",
    "compared_beside",
    "contact_sheet",
    "likeness_apart",
    "likeness_keys",
    "sidecar_names",
    "validate",
]
