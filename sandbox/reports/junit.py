"""Drills as test cases for a CI: JUnit XML, as Jenkins, GitLab and GitHub's actions read it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from ..drill import Result
from ..scoring.verdict import Verdict
from .plain import result_line

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""


@dataclass(frozen=True, slots=True)
class Case:
    """A drill that was asked for: its result, or why there is none. `error_kind` says what sort of error it was."""

    name: str
    result: Result | None = None
    error: str = ""
    error_kind: str = ""


def junit_xml(cases: Sequence[Case]) -> bytes:
    """A test suite with one case for each drill. Its time is drill time in seconds.

    A failed drill is a failure of type `failed`, one without data a failure of type `no data`; an aborted, broken or invalid one
    is an error.
    """
    suite = ET.Element("testsuite", name="drillbox")
    for case in cases:
        suite.append(_case(case))
    counts = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
    for name, path in counts.items():
        suite.set(name, str(len(suite.findall(path))))
    suite.set("skipped", "0")
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in suite):.3f}")
    suites = ET.Element("testsuites", {name: suite.get(name, "") for name in ("tests", "failures", "errors", "time")})
    suites.append(suite)
    ET.indent(suites)
    text: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _case(case: Case) -> ET.Element:
    result = case.result
    if result is None:
        element = ET.Element("testcase", classname="drillbox", name=_clean(case.name), time="0.000")
        problem = ET.SubElement(element, "error", type=_clean(case.error_kind or "error"), message=_clean(first_line(case.error)))
        problem.text = _clean(case.error)
        return element
    profile = f" {result.scenario.profile}" if result.scenario.profile else ""
    name = f"{result.scenario.id}{profile} {result.operator} seed {result.seed}"
    element = ET.Element(
        "testcase", classname=f"drillbox.{result.scenario.id}", name=_clean(name), time=f"{max(0.0, result.record.until):.3f}"
    )
    properties = ET.SubElement(element, "properties")
    facts = {"seed": result.seed, "stack": result.stack, "operator": result.operator, "harm": f"{result.harm.total:.2f}"}
    if result.impact is not None:
        facts["impact"] = f"{result.impact:.1f}"
    for key, value in facts.items():
        ET.SubElement(properties, "property", name=key, value=_clean(str(value)))
    _verdict(element, result)
    ET.SubElement(element, "system-out").text = _clean(result_line(result))
    return element


def _verdict(element: ET.Element, result: Result) -> None:
    verdict, reasons = result.judgement.verdict, result.judgement.reasons
    if verdict is Verdict.PASSED:
        return
    kind = "error" if verdict is Verdict.ABORTED else "failure"
    problem = ET.SubElement(element, kind, type=verdict.value, message=_clean("; ".join(reasons) or verdict.value))
    problem.text = _clean("\n".join(reasons))


def first_line(text: str) -> str:
    """The first line of a message."""
    return text.partition("\n")[0]


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
