"""Claims of papers, run in miniature and judged by expectations written beforehand."""

from guerdon.reproduction.claim import (
    LEAST_SEEDS,
    MEANING,
    Arm,
    Claim,
    ClaimError,
    Expectation,
    Outcome,
    Report,
    Role,
    Runs,
    Verdict,
    judge,
    judge_all,
    overall,
    seeds_to_decide,
)
from guerdon.reproduction.run import Reproduction, read, run_claim, write

__all__ = [
    "LEAST_SEEDS",
    "MEANING",
    "Arm",
    "Claim",
    "ClaimError",
    "Expectation",
    "Outcome",
    "Report",
    "Reproduction",
    "Role",
    "Runs",
    "Verdict",
    "judge",
    "judge_all",
    "overall",
    "read",
    "run_claim",
    "seeds_to_decide",
    "write",
]
