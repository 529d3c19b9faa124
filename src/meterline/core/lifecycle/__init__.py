"""The life of a customer's books: what falls due when, and what it does to grants, ledger and invoices. Pure."""

from meterline.core.lifecycle.account import GRACE, Account, Change, applied
from meterline.core.lifecycle.correction import regenerate, void
from meterline.core.lifecycle.drafts import Drafts, drafts
from meterline.core.lifecycle.guard_rails import edit_issues
from meterline.core.lifecycle.statement import Statement, open_statements, statement_of
from meterline.core.lifecycle.steps import Step, StepKind, next_due, next_step, perform

__all__ = [
    "GRACE",
    "Account",
    "Change",
    "Drafts",
    "Statement",
    "Step",
    "StepKind",
    "applied",
    "drafts",
    "edit_issues",
    "next_due",
    "next_step",
    "open_statements",
    "perform",
    "regenerate",
    "statement_of",
    "void",
]
