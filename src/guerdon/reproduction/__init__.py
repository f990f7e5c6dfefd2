"""Claims of papers, run in miniature and judged by expectations written beforehand."""

from guerdon.reproduction.claim import (
    Arm,
    Claim,
    ClaimError,
    Expectation,
    Outcome,
    Report,
    Runs,
    Verdict,
    judge,
    worst,
)
from guerdon.reproduction.run import Reproduction, read, run_claim, write

__all__ = [
    "Arm",
    "Claim",
    "ClaimError",
    "Expectation",
    "Outcome",
    "Report",
    "Reproduction",
    "Runs",
    "Verdict",
    "judge",
    "read",
    "run_claim",
    "worst",
    "write",
]
