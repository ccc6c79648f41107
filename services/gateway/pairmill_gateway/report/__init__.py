"""The report `report.html`: facts of a dataset, collected once, and one self-contained page of them."""

from pairmill_gateway.report.facts import collect_facts
from pairmill_gateway.report.model import ReportFacts
from pairmill_gateway.report.page import render_report

__all__ = ["ReportFacts", "collect_facts", "render_report"]
