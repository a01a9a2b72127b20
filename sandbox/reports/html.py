"""The debrief as one self-contained HTML file."""

from __future__ import annotations

from html import escape

from ..drill import Result
from .markdown import debrief


def debrief_html(result: Result) -> str:
    """The whole debrief as a page that needs nothing else."""
    return f"<!doctype html><title>{escape(result.scenario.title)}</title><pre>{escape(debrief(result))}</pre>\n"
