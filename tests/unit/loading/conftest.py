"""A small valid scenario and ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from drillbox.sandbox.loading import load_scenario
from drillbox.sandbox.model.errors import InvalidScenarioError, Problem

VALID = """\
schema: 1
id: quiet-hours
title: Quiet hours
group: traffic
difficulty: 2
skills: [patience]
pager: Something is wrong.
duration: 20m
world:
  name: flights
  start: 2013-07-08T06:00
  pace: 12
  traffic: {rate: 120/s}
  prices: {failed: 0.1, slow: 0.03, missed: 0.05, false_alarm: 0.01, replica_hour: 0.6}
  train: {from: 2013-05-20, until: 2013-07-05}
service:
  champion: {replicas: 3, concurrency: 4, queue: 40}
  autoscaler: {minimum: 3, maximum: 4, target: 60%}
  gateway: {timeout: 1s, retries: 1}
  fallback: off
runtime: {service_time: 50ms}
timeline:
  - id: crowd
    at: 3m
    for: 15m
    fault: traffic.spike
    with: {factor: 4, ramp: 30s}
objectives:
  - {id: available, sli: availability, target: 99%}
  - {id: fast, sli: latency, target: 95%, bound: 300ms}
answer: {component: clients, cause: traffic.spike}
operators:
  reference:
    steps:
      - when: saturation > 0.9 and error_ratio > 5%
        for: 10s
        do: shed
        with: {share: 50%}
      - do: set-autoscaler
        with: {maximum: 10}
  tempting:
    wait-longer:
      steps:
        - at: 4m
          do: set-timeout
          with: {timeout: 10s}
debrief:
  story: It was full.
profiles:
  short:
    duration: 4m
    timeline:
      - {id: crowd, at: 20s, fault: traffic.spike, with: {factor: 4}}
    operators:
      reference: {notice: 20s}
      tempting: {wait-longer: {steps: [{at: 1m, do: set-timeout, with: {timeout: 10s}}]}}
"""


@pytest.fixture(scope="session")
def valid() -> str:
    """The text of a valid scenario."""
    return VALID


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a scenario file and gives its path."""

    def writer(text: str) -> Path:
        path = tmp_path / "drill.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return writer


@pytest.fixture
def problems(write: Callable[[str], Path]) -> Callable[..., tuple[Problem, ...]]:
    """The problems of the valid scenario after replacing `old` (which stands there exactly once) with `new`, pair by pair."""

    def find(*edits: tuple[str, str]) -> tuple[Problem, ...]:
        text = VALID
        for old, new in edits:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the scenario"
            text = text.replace(old, new)
        with pytest.raises(InvalidScenarioError) as raised:
            load_scenario(write(text))
        return raised.value.problems

    return find
