"""The catalogue of faults: what can go wrong, neutral to the stack. Each is declared here once."""

from __future__ import annotations

from .fault import Fault
from .features import ALL, METRIC, ONLINE, SOURCES
from .params import Kind, Param
from .platform_faults import PLATFORM_FAULTS

__all__ = ["FAULTS", "Fault"]

TRAFFIC_SPIKE = Fault(
    "traffic.spike",
    "clients",
    "Many more clients call at once: the request rate is multiplied while the fault lasts.",
    (
        Param("factor", Kind.FACTOR, "the request rate is multiplied by this", minimum=1.0, maximum=100.0),
        Param("ramp", Kind.DURATION, "time to reach the full rate, and to fall back", default=0.0, minimum=0.0, maximum=3600.0),
    ),
)

CLIENTS_RETRY_STORM = Fault(
    "clients.retry_storm",
    "clients",
    "A new version of the client app gives up sooner and tries again far more often.",
    (
        Param("retries", Kind.COUNT, "further attempts after a failure", minimum=0, maximum=20),
        Param("timeout", Kind.DURATION, "how long the app waits for an answer", optional=True, minimum=0.05, maximum=60.0),
        Param("backoff", Kind.DURATION, "wait before the first further attempt", default=0.1, minimum=0.0, maximum=60.0),
    ),
)
RELEASE_SLOW_MODEL = Fault(
    "release.slow_model",
    "model-server",
    "A version of the model is rolled out that is much slower for a part of the requests.",
    (Param("version", Kind.NAME, "the version that is rolled out; the scenario describes it under versions"),),
)

FEATURES_UNIT_CHANGE = Fault(
    "features.unit_change",
    "feature-pipeline",
    "The latest version of a supplier's interface gives a feature in metric units; the pipeline takes the numbers as they are.",
    (Param("feature", Kind.CHOICE, "which feature, or all that have a metric unit", choices=(*METRIC, ALL), default=ALL),),
)
FEATURES_STALE = Fault(
    "features.stale",
    "feature-pipeline",
    "The stream of a source stalls without an error: its features stay as they are and grow old.",
    (Param("source", Kind.CHOICE, "which weather station", choices=(*SOURCES, ALL), default=ALL),),
)
FEATURES_NULLS = Fault(
    "features.nulls",
    "feature-pipeline",
    "A part of the values of a feature is missing.",
    (
        Param("feature", Kind.CHOICE, "which feature", choices=(*ONLINE, ALL), default=ALL),
        Param("share", Kind.SHARE, "share of the values that are missing", default=1.0, minimum=0.0, maximum=1.0),
    ),
)
FEATURES_OUTAGE = Fault(
    "features.outage",
    "feature-store",
    "A share of the look-ups is refused: the model scores without these features.",
    (Param("share", Kind.SHARE, "share of the look-ups that fail", default=1.0, minimum=0.0, maximum=1.0),),
)
FEATURES_SLOW = Fault(
    "features.slow",
    "feature-store",
    "Look-ups take longer; beyond the look-up's timeout the model scores without these features.",
    (Param("delay", Kind.DURATION, "added to each look-up", minimum=0.0, maximum=60.0),),
)
LABELS_DELAY = Fault(
    "labels.delay",
    "label-pipeline",
    "Labels reach the service later than the flights land.",
    (Param("delay", Kind.DURATION, "how much later; write it as calendar time (cal: 6h)", minimum=0.0),),
)

RETRAINING_PARTIAL_DATA = Fault(
    "retraining.partial_data",
    "retraining",
    "The snapshots of training data lack the flights of the later hours of each day, while a change has switched the gate off.",
    (
        Param("cutoff", Kind.COUNT, "only flights scheduled to leave before this hour are there", minimum=1, maximum=23),
        Param("ungated", Kind.SWITCH, "whether gate and canary are switched off", default=True),
    ),
)
RETRAINING_STUCK = Fault(
    "retraining.stuck",
    "retraining",
    "The scheduler has stopped without an error: neither schedule nor drift begin a run, and nothing says so.",
)
RETRAINING_STORM = Fault(
    "retraining.storm",
    "retraining",
    "The flag of drift never clears, and the cooldown is gone: one run follows the other.",
    (Param("drift", Kind.FACTOR, "what the scheduler takes the drift for", default=10.0, minimum=0.0, maximum=1000.0),),
)
RETRAINING_CATCH_UP = Fault(
    "retraining.catch_up",
    "retraining",
    "The scheduler is back after a downtime and makes up for every run that it missed, one after the other.",
    (Param("runs", Kind.COUNT, "how many it missed", minimum=1, maximum=1000),),
)
RETRAINING_IMMATURE_LABELS = Fault(
    "retraining.immature_labels",
    "retraining",
    "Runs train on the last few days only, and take flights whose label has not come for flights on time.",
    (Param("days", Kind.COUNT, "length of the training window", default=2, minimum=1, maximum=60),),
)
RELEASE_SWAPPED = Fault(
    "release.swapped",
    "model-server",
    "Champion and candidate are swapped: the version that was to be tried out answers nearly everybody.",
    (Param("version", Kind.NAME, "the candidate, if none is deployed", optional=True),),
)

RELEASE_BAD_ARTIFACT = Fault(
    "release.bad_artifact",
    "model-server",
    "A version of the model is rolled out whose file is damaged: servers that start with it run, and never get ready.",
    (Param("version", Kind.NAME, "the version that is rolled out"),),
)

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        TRAFFIC_SPIKE, CLIENTS_RETRY_STORM, RELEASE_SLOW_MODEL, FEATURES_UNIT_CHANGE, FEATURES_STALE, FEATURES_NULLS,
        FEATURES_OUTAGE, FEATURES_SLOW, LABELS_DELAY, RETRAINING_PARTIAL_DATA, RETRAINING_STUCK, RETRAINING_STORM,
        RETRAINING_CATCH_UP, RETRAINING_IMMATURE_LABELS, RELEASE_SWAPPED, RELEASE_BAD_ARTIFACT, *PLATFORM_FAULTS,
    )
}  # fmt: skip
