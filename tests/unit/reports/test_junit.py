"""JUnit XML, as the CI systems read it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from xml.etree import ElementTree as ET

from drillbox.sandbox.drill import Result
from drillbox.sandbox.reports.junit import Case, junit_xml
from drillbox.sandbox.scoring.verdict import Verdict

Explained = Callable[[str, str, str], Result]


def suite_of(*cases: Case) -> ET.Element:
    root = ET.fromstring(junit_xml(cases))  # noqa: S314  # made here
    assert root.tag == "testsuites"
    [suite] = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "time")} == dict(root.attrib)
    return suite


def with_verdict(result: Result, verdict: Verdict, *reasons: str) -> Result:
    return dataclasses.replace(result, judgement=dataclasses.replace(result.judgement, verdict=verdict, reasons=reasons))


def test_each_drill_is_a_case(explained: Explained) -> None:
    won, lost = explained("monday-rush", "reference", "short"), explained("monday-rush", "longer-timeouts", "short")
    suite = suite_of(Case("monday-rush", won), Case("monday-rush", lost))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors"), suite.get("time")) == ("2", "1", "0", "480.000")
    first, second = suite.findall("testcase")
    assert (first.get("classname"), first.get("name")) == ("drillbox.monday-rush", "monday-rush short reference seed 1")
    facts = {one.get("name"): one.get("value") for one in first.iter("property")}
    assert facts == {"seed": "1", "stack": "sim", "operator": "reference", "harm": f"{won.harm.total:.2f}", "impact": "100.0"}
    assert first.find("failure") is None
    assert first.find("error") is None
    failure = second.find("failure")
    assert failure is not None
    assert failure.get("type") == "failed"
    assert "availability: " in (failure.text or "")
    assert (second.findtext("system-out") or "").startswith("FAILED   monday-rush longer-timeouts")


def test_no_data_is_a_failure_named_so(explained: Explained) -> None:
    result = with_verdict(explained("monday-rush", "reference", "short"), Verdict.NO_DATA, "availability: no data")
    failure = suite_of(Case("x", result)).find("testcase/failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("no data", "availability: no data")


def test_what_did_not_come_to_an_end_is_an_error(explained: Explained) -> None:
    aborted = with_verdict(explained("monday-rush", "reference", "short"), Verdict.ABORTED, "the drill did not reach its end")
    broken = Case("slow-afternoon", None, "the stack broke\nin two lines", "stack")
    suite = suite_of(Case("x", aborted), broken)
    assert suite.get("errors") == "2"
    kinds = [error.get("type") for error in suite.findall("testcase/error")]
    assert kinds == ["aborted", "stack"]
    assert suite.findall("testcase/error")[1].get("message") == "the stack broke"
    assert suite.findall("testcase/error")[1].text == "the stack broke\nin two lines"


def test_characters_that_xml_cannot_hold_do_not_break_it() -> None:
    suite = suite_of(Case("a\x00b\ud800<&>\"'", None, "\x1b[31m]]>\ufffe", "usage"))
    case = suite.find("testcase")
    assert case is not None
    assert case.get("name") == "a\ufffdb\ufffd<&>\"'"


def test_its_parts_come_in_the_order_that_the_schema_of_jenkins_wants(explained: Explained) -> None:
    cases = [Case("x", explained("monday-rush", name, "short")) for name in ("reference", "longer-timeouts")]
    suite = suite_of(*cases, Case("y", None, "broken", "stack"))
    assert [[part.tag for part in case] for case in suite] == [
        ["properties", "system-out"],
        ["properties", "failure", "system-out"],
        ["error"],
    ]
    allowed = {"testsuite": {"name", "tests", "failures", "errors", "skipped", "time"}, "testcase": {"classname", "name", "time"}}
    for element in suite.iter():
        if element.tag in allowed:
            assert set(element.attrib) == allowed[element.tag]
        if element.tag in ("failure", "error"):
            assert set(element.attrib) == {"type", "message"}
    assert len({case.get("name") for case in suite}) == 3


def test_nothing_played_is_an_empty_suite() -> None:
    assert suite_of().get("tests") == "0"
