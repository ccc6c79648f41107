"""Does a dataset close? Every file against the manifest, and the funnel counted again from the data."""

from pairmill.dataset.audit.findings import AuditReport, Finding
from pairmill.dataset.audit.run import audit

__all__ = ["AuditReport", "Finding", "audit"]
