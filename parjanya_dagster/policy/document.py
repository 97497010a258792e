"""The shape of a policy document: evidence it needs, rules over it, and what duplicates become.

Strict: a field that is not known here is an error, and "2" is not 2. Defaults are left out of the
content hash, so a default may never change: that would change what published policies mean.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from . import texts

Verdict = Literal["accept", "reject", "review"]
Objection = Literal["reject", "review"]
PROBABILITIES: Final = "enriched.probabilities."

#: Facts that only some files carry, by stage. Where the whole was recorded, an absent part means
#: that the file does not say.
SPARSE: Final = {"validated": ("exif",)}

_TESTS: Final = ("in_", "equals", "contains", "matches", "present")

Scalar = bool | int | float | str
Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
FieldPath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*$", max_length=200)
]
Metric = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]+$", max_length=64)]
EvidencePath = Annotated[
    str,
    StringConstraints(
        pattern=r"^(validated|enriched|scored|taste)(\.[A-Za-z0-9_+-]+)+$", max_length=200
    ),
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
Phrase = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"\S")
]
Bits = Annotated[int, Field(ge=0, le=64)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]


def is_sparse(path: str) -> bool:
    """Whether only some files carry the fact at this evidence path."""
    stage, whole, *rest = path.split(".")
    return bool(rest) and whole in SPARSE.get(stage, ())


class _Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, populate_by_name=True
    )


class Condition(_Model):
    """A comparison of one value (or a sum of probabilities), or several conditions together."""

    evidence: EvidencePath | None = None
    sum_of: Annotated[tuple[Label, ...], Field(min_length=1)] | None = None
    below: float | None = None
    above: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    in_: Annotated[tuple[Scalar, ...], Field(min_length=1)] | None = Field(default=None, alias="in")
    equals: Scalar | None = None
    contains: Annotated[tuple[Phrase, ...], Field(min_length=1)] | None = None  # any of them
    matches: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = None
    present: bool | None = None  # whether the file says it at all: of sparse facts
    review_from: float | None = None  # a weaker threshold: between the two a person decides
    all_of: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = None
    any_of: Annotated[tuple[Condition, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        subjects = [n for n in ("evidence", "sum_of", "all_of", "any_of") if getattr(self, n)]
        if len(subjects) != 1:
            raise ValueError("give exactly one of evidence, sum_of, all_of, any_of")
        tests = [n for n in _TESTS if getattr(self, n) is not None]
        if self.parts:
            if self.ordering or tests or self.review_from is not None:
                raise ValueError(f"{subjects[0]} holds conditions: move the comparison into them")
            return self
        if not self.ordering and not tests:
            raise ValueError(
                "give below, above, at_least, at_most, in, equals, contains, matches or present"
            )
        if self.sum_of and tests:
            raise ValueError("a sum is compared with below, above, at_least or at_most")
        if self.sum_of and len(set(self.sum_of)) != len(self.sum_of):
            raise ValueError("sum_of names a label twice")
        if self.textual and (self.ordering or self.in_ is not None or self.equals is not None):
            raise ValueError("contains and matches look at text: put other tests into all_of")
        if self.present is not None and (self.ordering or len(tests) > 1):
            raise ValueError("present stands alone: put other tests into all_of")
        if self.present is not None and not (self.evidence and is_sparse(self.evidence)):
            raise ValueError(
                "present is for facts that only some files carry: validated.exif and a field"
            )
        if not all(map(texts.is_phrase, self.contains or ())):
            raise ValueError("contains has a phrase without a word")
        if self.matches is not None:
            try:
                texts.matches("", self.matches)
            except ValueError as error:
                raise ValueError(f"matches is no pattern of RE2: {error}") from None
        if self.review_from is not None:
            self._check_band(bool(tests))
        return self

    def _check_band(self, tests: bool) -> None:
        if tests or len(self.ordering) != 1:
            raise ValueError("review_from needs exactly one of below, above, at_least, at_most")
        ((operator, threshold),) = self.ordering
        assert self.review_from is not None
        rising = operator in ("above", "at_least")
        if (self.review_from >= threshold) if rising else (self.review_from <= threshold):
            side = "less" if rising else "more"
            raise ValueError(f"review_from must be {side} than {operator} ({threshold:g})")

    @cached_property
    def parts(self) -> tuple[Condition, ...]:
        return self.all_of or self.any_of or ()

    @cached_property
    def ordering(self) -> tuple[tuple[str, float], ...]:
        """The ordering operators given, with their thresholds."""
        names = ("below", "above", "at_least", "at_most")
        return tuple((n, getattr(self, n)) for n in names if getattr(self, n) is not None)

    @property
    def textual(self) -> bool:
        """Whether it looks for words, in a text or in a list of texts."""
        return self.contains is not None or self.matches is not None

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The evidence paths that this condition reads, without those of its parts."""
        if self.evidence:
            return (self.evidence,)
        return tuple(PROBABILITIES + label for label in self.sum_of or ())

    @cached_property
    def labels(self) -> frozenset[str]:
        """The category labels whose difference from the other labels this comparison trusts."""
        if self.evidence == "enriched.category":
            choices = [*(self.in_ or ()), *([self.equals] if self.equals is not None else [])]
            return frozenset(choice for choice in choices if isinstance(choice, str))
        starts = len(PROBABILITIES)
        return frozenset(p[starts:] for p in self.paths if p.startswith(PROBABILITIES))

    def comparisons(self) -> Iterator[Condition]:
        """Every comparison in it, in the order written."""
        if self.parts:
            for part in self.parts:
                yield from part.comparisons()
        else:
            yield self


class Rule(_Model):
    """An objection: when the condition holds, the verdict, and the reason told to people."""

    id: RuleId
    verdict: Objection
    when: Condition
    reason: Text

    @cached_property
    def comparisons(self) -> tuple[Condition, ...]:
        return tuple(self.when.comparisons())

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """The evidence paths that the rule reads, in the order written, each once."""
        return tuple(dict.fromkeys(path for c in self.comparisons for path in c.paths))

    @cached_property
    def sorted_paths(self) -> tuple[str, ...]:
        return tuple(sorted(self.paths))


class EnrichedNeeds(_Model):
    taxonomy: tuple[Label, ...] = ()  # labels that must have a probability
    prompt: Text | None = None  # the prompt that must have been asked; none: any will do
    fields: tuple[FieldPath, ...] = ()  # anything else: text.words


class ScoredNeeds(_Model):
    metrics: tuple[Metric, ...] = ()


class TasteNeeds(_Model):
    """Which taste gives ``taste.accept``, to the byte. Of other tenants' images it is unknown."""

    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,62}$")]
    version: Annotated[int, Field(ge=1)]
    hash: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class Needs(_Model):
    """The evidence a policy requires per stage; a stage left out is not needed."""

    validated: tuple[FieldPath, ...] = ()
    enriched: EnrichedNeeds | None = None
    scored: ScoredNeeds | None = None
    taste: TasteNeeds | None = None


class Confidence(_Model):
    """Evidence of a stage below this confidence decides nothing: a person looks.

    For ``enriched`` it is the confidence in the category, or in its group of labels if the engine
    cannot tell those apart.
    """

    enriched: Probability | None = None


class Near(_Model):
    verdict: Literal["reject", "review", "ignore"]
    distance: Bits  # Hamming distance of the perceptual hashes, in bits of 64
    review_from: Bits | None = None  # a wider distance: between the two a person decides

    @model_validator(mode="after")
    def _wider(self) -> Self:
        if self.review_from is not None and self.verdict != "reject":
            raise ValueError("review_from is for verdict: reject")
        if self.review_from is not None and self.review_from <= self.distance:
            raise ValueError(f"review_from must be more than distance ({self.distance})")
        return self


class Duplicates(_Model):
    exact: Literal["reject", "review", "ignore"] = "ignore"
    near: Near | None = None


class Document(_Model):
    """A policy as its author writes it."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    version: Annotated[int, Field(ge=1)]
    description: Text
    needs: Needs = Needs()
    confidence: Confidence = Confidence()
    rules: tuple[Rule, ...] = ()
    duplicates: Duplicates = Duplicates()
    people: Literal["stand", "ask_again"] = "stand"
    """What becomes of people's verdicts that were made under another policy."""
