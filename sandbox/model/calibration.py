"""What `drillbox calibrate` measures of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """What was measured with real processes. All times are in seconds.

    Attributes:
        answer: median time that one request takes a slot of a model server without added work, asked one at a time.
        answer_cv: its coefficient of variation (standard deviation over mean).
        answer_cpu: processor time of the model server per request, HTTP included.
        refusal_cpu: the same of a request that it refuses because its queue is full.
        rules: median time that an answer from the rules takes a slot.
        start: from the start of a model server's process until it listens.
        load: from then until its model is loaded and it is ready.
        training: of the usual training.
        requests: how many were asked for each of the times of an answer.
        starts: how many processes were started; `start` and `load` are medians of theirs.
    """

    answer: float
    answer_cv: float
    answer_cpu: float
    refusal_cpu: float
    rules: float
    start: float
    load: float
    training: float
    requests: int
    starts: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """One measurement of a machine.

    Attributes:
        timings: what was measured.
        machine: CPU model.
        cores: processors that may be used.
        date: of the measurement, ISO 8601 in UTC.
        versions: of Python and of the packages that matter.
    """

    timings: Timings
    machine: str
    cores: int
    date: str
    versions: Mapping[str, str]
