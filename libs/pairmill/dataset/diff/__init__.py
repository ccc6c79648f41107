"""Are two datasets the same in the sense of U0? The only comparison that tests use."""

from pairmill.dataset.diff.report import ColumnDifference, DiffReport, FunnelDifference
from pairmill.dataset.diff.run import diff

__all__ = ["ColumnDifference", "DiffReport", "FunnelDifference", "diff"]
