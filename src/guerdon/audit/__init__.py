"""Audits of rewards: attack one before a run is wasted on it."""

from guerdon.audit.attacks import ATTACKS
from guerdon.audit.cases import Attack, Case, Expect
from guerdon.audit.data import FORMS, best_form, probes_of
from guerdon.audit.findings import KINDS, Audit, Finding, Tally
from guerdon.audit.run import AuditError, audit

__all__ = [
    "ATTACKS",
    "FORMS",
    "KINDS",
    "Attack",
    "Audit",
    "AuditError",
    "Case",
    "Expect",
    "Finding",
    "Tally",
    "audit",
    "best_form",
    "probes_of",
]
