"""Training as Kubernetes Jobs: a Kubernetes API of the tests runs them, once as real processes."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jobs_kit import Cluster, Json
from lightkube import AsyncClient, KubeConfig
from serving_kit import served

from drillbox.sandbox.learning import snapshots, store
from drillbox.sandbox.learning.version import TREES, ModelVersion
from drillbox.sandbox.loading import Library, load_scenario
from drillbox.sandbox.model.errors import UsageError
from drillbox.sandbox.world.data import FlightData
from drillbox.stacks.control_plane.trainer import InProcess, Order, Recipe
from drillbox.stacks.services.common.logs import Log
from drillbox.stacks.services.common.registry import RegistryClient, RegistryError
from drillbox.stacks.services.common.scenarios import dump_scenario
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.pipeline import jobs
from drillbox.stacks.services.pipeline.jobs import JobTerms, JobTrainer, read_template
from drillbox.stacks.services.training import __main__ as training
from drillbox.stacks.services.training.settings import TrainingSettings, environment

NAMESPACE = "drill-test"
TEMPLATE = """
apiVersion: batch/v1
kind: Job
metadata:
  name: training
  labels: {app.kubernetes.io/component: training, drillbox.dev/drill: test}
spec:
  template:
    metadata: {labels: {app.kubernetes.io/component: training}}
    spec:
      containers:
        - name: training
          image: drillbox:test
          env: [{name: MODEL_STORE_URL, value: "http://registry:8080"}, {name: TRAINING_TREES, value: "1"}]
"""


class Shelf:
    """A registry of nothing but names."""

    def __init__(self, model: ModelVersion | None = None) -> None:
        self.model = model
        self.asked: list[str] = []

    def fetch(self, model: str) -> ModelVersion:
        self.asked.append(model)
        if self.model is None:
            raise RegistryError(f"404 Not Found: there is no such model {model}")
        return self.model


@pytest.fixture
def order(flight_data: FlightData, warm_home: Path) -> Order:
    snapshot = snapshots.take(flight_data, dt.datetime(2013, 2, 1), dt.datetime(2013, 2, 8), before_hour=18)
    return Order(3, snapshot, Recipe(7, before_hour=18), 0.375)


def configuration(url: str) -> Json:
    context = {"cluster": "fake", "user": "fake", "namespace": NAMESPACE}
    parts = (("clusters", "cluster", {"server": url}), ("contexts", "context", context), ("users", "user", {"token": "t"}))
    return {"current-context": "fake"} | {many: [{"name": "fake", one: it}] for many, one, it in parts}


Trainers = Callable[..., tuple[JobTrainer, Cluster]]


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trainers]:
    monkeypatch.setattr(jobs, "PAUSE", 0.01)
    (tmp_path / "job.yaml").write_text(TEMPLATE)
    with contextlib.ExitStack() as ends:

        def begin(ran: Callable[[Cluster, Json], None], shelf: Any, deadline: float = 120.0) -> tuple[JobTrainer, Cluster]:
            cluster = Cluster(ran)
            config = KubeConfig.from_dict(configuration(ends.enter_context(served(cluster.app))))
            ends.callback(cluster.close)
            terms = JobTerms(read_template(tmp_path / "job.yaml"), deadline, 2)
            return JobTrainer(lambda: AsyncClient(config, trust_env=False), terms, shelf, Log("pipeline")), cluster

        yield begin


def until(holds: Callable[[], bool], patience: float = 120.0) -> None:
    deadline, pause = time.monotonic() + patience, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it did not come to hold in time"
        pause.wait(0.01)


def variables(job: Json) -> dict[str, str]:
    return {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}


def succeed(cluster: Cluster, job: Json) -> None:
    cluster.end(job["metadata"]["name"], "Complete")


def idle(_cluster: Cluster, _job: Json) -> None:
    """It never ends."""


# ------------------------------------------------------------------------------------------------------------------------ jobs


def test_a_job_is_made_from_the_template_and_its_model_is_fetched(
    order: Order, trainer: Trainers, version: ModelVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Shelf(version)
    by_jobs, cluster = trainer(succeed, shelf)
    job = by_jobs.begin(order)
    assert job.result() is version
    assert job.done
    assert shelf.asked == [order.snapshot.lineage(0.375, TREES).id]
    (made,) = cluster.jobs.values()
    name = made["metadata"]["name"]
    assert (job.where, name[:11]) == (f"job {name}", "training-3-")
    assert made["metadata"]["labels"]["drillbox.dev/run"] == "3"
    spec = made["spec"]
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"]) == (150, 1)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["metadata"]["labels"] == {"app.kubernetes.io/component": "training", "drillbox.dev/run": "3"}
    assert variables(made) == {
        "MODEL_STORE_URL": "http://registry:8080", "TRAINING_FROM": "2013-02-01T00:00:00", "TRAINING_UNTIL": "2013-02-08T00:00:00",
        "TRAINING_BEFORE_HOUR": "18", "TRAINING_AS_ON_TIME": "false", "TRAINING_THRESHOLD": "0.375",
        "TRAINING_TREES": str(TREES), "TRAINING_DATA": order.snapshot.digest,
    }  # fmt: skip
    said = [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]
    assert said == [f"job {name} is created", f"job {name} succeeded"]


def test_the_job_and_its_order_say_the_same(order: Order) -> None:
    settings = read(TrainingSettings, {"MODEL_STORE_URL": "http://r", **environment(order)})
    again = training._snapshot(settings)
    assert again.lineage(settings.threshold, settings.trees) == order.snapshot.lineage(0.375, TREES)


def failing(log: str, status: Json, reason: str = "BackoffLimitExceeded") -> Callable[[Cluster, Json], None]:
    def ran(cluster: Cluster, job: Json) -> None:
        name = job["metadata"]["name"]
        cluster.pod(name, "an older pod", {}, made="2012-12-31T00:00:00Z")
        cluster.pod(name, log, status)
        cluster.end(name, "Failed", reason)

    return ran


def state(**given: Json) -> Json:
    return {"containerStatuses": [{"name": "t", "image": "", "imageID": "", "ready": False, "restartCount": 0, "state": given}]}


@pytest.mark.parametrize(
    ("log", "status", "told"),
    [
        ('{"text": "begun"}\n{"component": "t", "text": "the snapshot is another"}\n\n', {}, "the snapshot is another"),
        (
            '{"text": "trained"}\n',
            state(terminated={"exitCode": 137, "reason": "OOMKilled"}),
            "trained; OOMKilled, exit code 137",
        ),
        ("Traceback:\nImportError: libgomp\n", state(terminated={"exitCode": 1}), "ImportError: libgomp; ended, exit code 1"),
        (
            "",
            state(waiting={"reason": "ImagePullBackOff", "message": "drillbox:test"}),
            "ImagePullBackOff: drillbox:test",
        ),
        (
            "",
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}]},
            "Unschedulable: no node",
        ),
        ("", {}, "it said nothing"),
    ],
)
def test_a_job_that_fails_gives_its_last_words(order: Order, trainer: Trainers, log: str, status: Json, told: str) -> None:
    by_jobs, _cluster = trainer(failing(log, status), Shelf())
    job = by_jobs.begin(order)
    with pytest.raises(UsageError) as failed:
        job.result()
    assert str(failed.value) == f"{job.where} failed (BackoffLimitExceeded): {told}"


def test_a_job_that_takes_too_long_is_given_up(order: Order, trainer: Trainers) -> None:
    by_jobs, cluster = trainer(idle, Shelf(), deadline=0.5)
    job = by_jobs.begin(order)
    with pytest.raises(UsageError, match=r"was not finished within 0.5 s: it has no pod"):
        job.result()
    assert len(cluster.jobs) == 1, "Kubernetes ends it, and it stays to be looked at"


def test_a_job_that_is_deleted_has_failed(order: Order, trainer: Trainers) -> None:
    by_jobs, cluster = trainer(lambda cluster, job: cluster.jobs.pop(job["metadata"]["name"]), Shelf())
    cluster.failures["PODS"] = 500
    with pytest.raises(UsageError, match="was deleted: its pods cannot be looked at: it answers 500"):
        by_jobs.begin(order).result()


def test_a_job_that_nobody_wants_any_more_is_deleted(order: Order, trainer: Trainers) -> None:
    by_jobs, cluster = trainer(idle, Shelf())
    job = by_jobs.begin(order)
    until(lambda: bool(cluster.jobs))
    assert not job.done
    job.cancel()
    with pytest.raises(UsageError, match="was cancelled"):
        job.result()
    assert cluster.jobs == {}
    job.cancel()


def test_what_the_api_refuses_is_told(order: Order, trainer: Trainers) -> None:
    by_jobs, cluster = trainer(succeed, Shelf())
    cluster.failures["POST"] = 403
    with pytest.raises(UsageError, match=r"job training-3-\w{5} cannot be created: it answers 403"):
        by_jobs.begin(order).result()


def test_an_api_server_that_starts_anew_is_waited_for(order: Order, trainer: Trainers, version: ModelVersion) -> None:
    by_jobs, cluster = trainer(succeed, Shelf(version))
    cluster.failures |= {"POST": 503, "GET": 500, "WATCH": 500}
    assert by_jobs.begin(order).result() is version


def test_a_model_that_is_not_in_the_registry_fails_the_run(order: Order, trainer: Trainers) -> None:
    by_jobs, _cluster = trainer(succeed, Shelf())
    with pytest.raises(UsageError, match="404 Not Found: there is no such model"):
        by_jobs.begin(order).result()


def test_the_latest_finished_jobs_are_kept(order: Order, trainer: Trainers, version: ModelVersion) -> None:
    by_jobs, cluster = trainer(succeed, Shelf(version))
    for day in (4, 1, 3, 2):
        cluster.add(f"old-{day}", creationTimestamp=f"2013-01-0{day}T00:00:00Z")
        cluster.end(f"old-{day}", "Failed" if day % 2 else "Complete")
    cluster.add("running")
    others = {"of-others": {}, "trained-by-others": {"app.kubernetes.io/component": "training"}}
    for name, labels in others.items():
        cluster.add(name, labels=labels, creationTimestamp="2012-12-01T00:00:00Z")
        cluster.end(name, "Complete")
    by_jobs.begin(order).result()
    assert cluster.deleted == ["old-1", "old-2", "old-3"]
    assert {"old-4", "running", *others} < set(cluster.jobs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: Pod", "holds no Job"),
        ("[1", "cannot be read"),
        ("kind: Job\nspec: {template: {spec: {containers: []}}}", "has no container"),
        ("kind: Job", "has no container"),
        ("kind: Job\nspec: 1", "cannot be read"),
    ],
)
def test_a_template_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"PIPELINE_JOB_TEMPLATE=.*{message}"):
        read_template(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_template(tmp_path / "none.yaml")


def test_a_pipeline_in_a_pod_orders_jobs(start: Any, tmp_path: Path, warm_home: Path) -> None:
    scenario = replace(load_scenario(Library.packaged().find("quiet-decay")), warmup=60.0)
    quick = replace(scenario, runtime=replace(scenario.runtime, training_time=5.0))
    (tmp_path / "scenario.json").write_text(dump_scenario(quick), encoding="utf-8")
    (tmp_path / "job.yaml").write_text(TEMPLATE, encoding="utf-8")
    registry = start("registry", REGISTRY_FOLDER=str(tmp_path / "volume")).ready()
    cluster = Cluster(failing('{"text": "the disk is full"}', {}))
    with served(cluster.app) as url:
        (tmp_path / "kubeconfig").write_text(json.dumps(configuration(url)), encoding="utf-8")
        pipeline = start(
            "pipeline",
            DRILL_SCENARIO=str(tmp_path / "scenario.json"),
            PIPELINE_REGISTRY_URL=registry.url,
            PIPELINE_JOB_TEMPLATE=str(tmp_path / "job.yaml"),
            PIPELINE_NAMESPACE=NAMESPACE,
            KUBECONFIG=str(tmp_path / "kubeconfig"),
            DRILL_EPOCH=repr(time.time() + 3600.0 - quick.warmup),  # it stands at the beginning until it is told
        ).ready()
        assert registry.metrics()["registry_models"] == 2.0
        posted = pipeline.client.post("/predictions", content=b"torn", headers={"X-Control-Token": "token-of-the-tests"})
        assert posted.status_code == 204
        until(lambda: pipeline.metrics()["pipeline_unreadable_lines_total"] == 1.0)
        assert pipeline.control({"retraining.requested": "14d#1"}, "/control/spec", "PUT").status_code == 204
        assert pipeline.control({"epoch": time.time() - 40.0}, "/control/start", "PUT").status_code == 204
        until(
            lambda: (
                "the disk is full"
                in pipeline.client.get("/control/outbox", headers={"X-Control-Token": "token-of-the-tests"}).text
            )
        )
        (job,) = cluster.jobs
        items = pipeline.client.get("/control/outbox", headers={"X-Control-Token": "token-of-the-tests"}).json()["items"]
        said = [item["text"] for item in items if item["kind"] == "log"]
        assert f"run-1 failed: job {job} failed (BackoffLimitExceeded): the disk is full" in said
        assert pipeline.text(f"job {job} is created")
        cluster.close()


# ------------------------------------------------------------------------------------------------------------------- training


def test_a_real_job_trains_what_the_process_itself_would(
    order: Order, trainer: Trainers, start: Any, tmp_path: Path, world_home: Path
) -> None:
    registry = start("registry", REGISTRY_FOLDER=str(tmp_path / "volume")).ready()
    home = tmp_path / "home"
    home.mkdir()
    (home / "cache").symlink_to(world_home / "cache", target_is_directory=True)

    def run(cluster: Cluster, job: Json) -> None:
        known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        told = variables(job) | {
            "MODEL_STORE_URL": registry.url,
            "CONTROL_TOKEN": "token-of-the-tests",
            "DRILLBOX_HOME": str(home),
        }
        command = [sys.executable, "-m", "drillbox.stacks.services.training"]
        done = subprocess.run(command, env=known | told, capture_output=True, text=True, check=False, timeout=300.0)
        cluster.pod(job["metadata"]["name"], done.stdout, {})
        cluster.end(job["metadata"]["name"], "Complete" if done.returncode == 0 else "Failed")

    with RegistryClient(registry.url) as client:
        by_jobs, cluster = trainer(run, client, deadline=300.0)
        found = by_jobs.begin(order).result()
        assert client.models() == (found.id,)
    said = [json.loads(line)["text"] for line in next(iter(cluster.logs.values())).splitlines()]
    assert said[0].startswith(f"snapshot until 2013-02-08 00:00: {len(order.snapshot.rows):,} rows")
    assert said[1].startswith(f"trained {found.id}: AUC 0.")
    assert said[2] == f"{found.id} is in the registry"
    here = InProcess().begin(order).result()
    assert (here.id, here.predictions, here.threshold) == (found.id, found.predictions, 0.375)
    assert (home / "models" / found.id / store.MODEL).exists()


def given(order: Order, **more: str) -> dict[str, str]:
    return {"MODEL_STORE_URL": "http://127.0.0.1:9", "TRAINING_PATIENCE": "0.1", **environment(order), **more}


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()]


def test_a_training_that_fails_exits_with_1_and_says_why(
    order: Order, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def exits(**more: str) -> int:
        for name, value in given(order, **more).items():
            monkeypatch.setenv(name, value)
        return training.main()

    assert exits(TRAINING_DATA="0" * 64) == 1
    assert "the snapshot is another than was ordered" in said(capsys)[-1]
    assert exits(TRAINING_UNTIL="2013-02-01T01:00:00", TRAINING_DATA="") == 1
    assert said(capsys)[-1]
    assert exits(TRAINING_TREES="0") == 1
    assert "TRAINING_TREES='0' is wrong" in said(capsys)[-1]
    assert exits() == 1
    assert said(capsys)[-1].startswith("no answer from the artifact store at http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"TRAINING_UNTIL": "2013-01-01T00:00:00"}, "the window ends before it begins"),
        ({"TRAINING_UNTIL": "2013-03-01T00:00:00+00:00"}, "has no zone"),
        ({"TRAINING_FROM": "soon"}, "TRAINING_FROM='soon' is wrong"),
        ({"TRAINING_THRESHOLD": "nan"}, "TRAINING_THRESHOLD='nan' is wrong"),
        ({"MODEL_STORE_URL": ""}, "MODEL_STORE_URL is not set: it is the registry"),
        ({"TRAINING_DATA": "x"}, "TRAINING_DATA='x' is wrong"),
    ],
)
def test_orders_that_are_wrong(order: Order, more: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(TrainingSettings, given(order, **more))
