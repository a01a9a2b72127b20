"""The registry service over HTTP and its client: what goes in comes out, and nothing hostile gets in."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import signal
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import given as whatever
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection, positive_data_acceptance
from serving_kit import served

from drillbox.sandbox import paths
from drillbox.sandbox.learning import store
from drillbox.sandbox.learning.version import ModelVersion
from drillbox.sandbox.model.errors import Exit, UsageError
from drillbox.stacks.services.common import artifacts
from drillbox.stacks.services.common import http as http_side
from drillbox.stacks.services.common import registry as client_side
from drillbox.stacks.services.common.artifacts import ArtifactError, digest, is_damaged, pack, unpack
from drillbox.stacks.services.common.registry import RegistryClient, RegistryError, persist
from drillbox.stacks.services.common.settings import read
from drillbox.stacks.services.registry.app import Registry, build
from drillbox.stacks.services.registry.archives import Archives
from drillbox.stacks.services.registry.settings import RegistrySettings

schemathesis.serializer.alias(artifacts.MEDIA_TYPE, "application/octet-stream")

TOKEN = "of-the-tests"  # noqa: S105 -- of an application that lives as long as a test
OTHER = "flights-20130101-00000000"


@dataclasses.dataclass
class Site:
    """A registry on a free port, and clients of it."""

    registry: Registry
    http: httpx.Client
    folder: Path

    @property
    def url(self) -> str:
        return str(self.http.base_url).rstrip("/")

    def put(self, model: str, content: bytes, **headers: str) -> httpx.Response:
        given = {"X-Control-Token": TOKEN, **headers}
        return self.http.put(f"/v1/models/{model}", content=content, headers=given)

    def refused(self, model: str, content: bytes, status: int = 422) -> str:
        answer = self.put(model, content)
        assert answer.status_code == status, answer.text
        return str(answer.json()["error"])

    def beat(self, method: str, body: object = None) -> httpx.Response:
        return self.http.request(method, "/control/beats/b", json=body, headers={"Authorization": f"Bearer {TOKEN}"})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    given = {"REGISTRY_FOLDER": str(tmp_path / "volume"), "CONTROL_TOKEN": TOKEN, "REGISTRY_LIMIT": str(4 << 20)}
    chosen = read(RegistrySettings, given)
    registry = Registry(chosen, Archives(chosen.folder, 6 << 20))
    with served(build(registry)) as url, httpx.Client(base_url=url, timeout=30.0, trust_env=False) as http:
        yield Site(registry, http, chosen.folder)


@pytest.fixture
def packed(version: ModelVersion, world_home: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(world_home))
    return pack(version.id)


@pytest.fixture
def elsewhere(packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another machine, with an empty store."""
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def tar(*entries: tuple[str, bytes] | tarfile.TarInfo, inflated: bool = False) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for one in entries:
            entry, content = (one, b"") if isinstance(one, tarfile.TarInfo) else (tarfile.TarInfo(one[0]), one[1])
            if content:
                entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue() if inflated else gzip.compress(packed.getvalue())


def files(packed: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


def with_model(packed: bytes, content: bytes) -> bytes:
    """The archive with another model file, of which its facts know."""
    facts = json.loads(files(packed)[store.META])
    facts["sha256"] = hashlib.sha256(content).hexdigest()
    return tar((store.META, json.dumps(facts).encode()), (store.MODEL, content))


# ------------------------------------------------------------------------------------------------------------------- archives


def test_an_archive_is_always_the_same_and_holds_the_stored_files(version: ModelVersion, packed: bytes) -> None:
    assert pack(version.id) == packed
    folder = store.place(version.id)
    assert files(packed) == {name: (folder / name).read_bytes() for name in (store.META, store.MODEL)}
    assert unpack(packed, version.id).version == version
    with pytest.raises(UsageError, match=f"model {OTHER} cannot be packed"):
        pack(OTHER)


def link(name: str, kind: bytes, target: str) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (b"", "it is cut off"),
        (b"PK\x03\x04", "it is no gzip file"),
        (gzip.compress(b"no tar" * 200), "it is no tar file"),
        (gzip.compress(b""), "it is no tar file"),
        (tar(), "meta.json and model.skops is missing"),
        (tar(("../../etc/passwd", b"x")), "'../../etc/passwd' does not belong there"),
        (tar(("/etc/passwd", b"x")), "does not belong there"),
        (tar(("./meta.json", b"{}")), "'./meta.json' does not belong there"),
        (tar(("meta.json", b"{}"), ("meta.json", b"{}")), "is there twice"),
        (tar(("meta.json", b"{}")), "model.skops is missing"),
        (tar(link("model.skops", tarfile.SYMTYPE, "/etc/shadow")), "model.skops is no regular file"),
        (tar(link("meta.json", tarfile.LNKTYPE, "model.skops")), "meta.json is no regular file"),
        (tar(link("meta.json", tarfile.DIRTYPE, "")), "meta.json is no regular file"),
        (tar(link("meta.json", tarfile.CHRTYPE, "")), "meta.json is no regular file"),
        (tar(("meta.json", b"{"), ("model.skops", b"x")), "meta.json cannot be read"),
        (tar(("meta.json", b"[" * 100_000), ("model.skops", b"x")), "meta.json cannot be read"),
        (tar(("meta.json", b"\xff"), ("model.skops", b"x")), "meta.json cannot be read"),
        (tar(("meta.json", b"{}"), ("model.skops", b"x")) + b"more", "something follows the gzip file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # bytes of gzip have the time in them
)
def test_a_hostile_archive_is_refused(hostile: bytes, message: str) -> None:
    with pytest.raises(ArtifactError) as refused:
        unpack(hostile, OTHER)
    assert message in str(refused.value)
    assert OTHER in str(refused.value)


def test_bombs_are_refused_before_they_unpack(version: ModelVersion, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MOST_UNPACKED", 8 << 20)
    bomb = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    large = b"".join(bomb.compress(zeros) for _ in range(10)) + bomb.flush()
    assert len(large) < 1 << 16
    with pytest.raises(ArtifactError, match="unpacks to more than"):
        unpack(large, version.id)
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(10):
            archive.writestr(f"{number}", zeros)
    with pytest.raises(ArtifactError, match=r"its model.skops unpacks to 10,485,760 bytes"):
        unpack(with_model(packed, inner.getvalue()), version.id)
    with pytest.raises(ArtifactError, match=r"its model.skops is no skops file"):
        unpack(with_model(packed, b"no zip"), version.id)
    sizes = tarfile.TarInfo(store.META)
    sizes.size = 1 << 40
    with pytest.raises(ArtifactError, match=r"meta.json is cut off|no tar file"):
        unpack(gzip.compress(sizes.tobuf() + bytes(1024)), version.id)


def test_an_archive_of_another_model_is_refused(version: ModelVersion, packed: bytes) -> None:
    with pytest.raises(ArtifactError, match=f"its meta.json is that of {version.id}"):
        unpack(packed, OTHER)
    content = files(packed)
    changed = tar((store.META, content[store.META]), (store.MODEL, content[store.MODEL] + b"x"))
    with pytest.raises(ArtifactError, match=r"its model.skops is not the file that meta.json tells of"):
        unpack(changed, version.id)


@settings(max_examples=40)
@whatever(data=st.data())
def test_a_damaged_archive_is_refused_or_the_same(data: st.DataObject, version: ModelVersion, world_home: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(paths.HOME_VARIABLE, str(world_home))
        packed = pack(version.id)
    place = data.draw(st.integers(0, len(packed) - 1))
    changed = packed[:place] + bytes([packed[place] ^ data.draw(st.integers(1, 255))]) + packed[place + 1 :]
    for content in (changed, packed[:place]):
        try:
            found = unpack(content, version.id)
        except ArtifactError:
            continue
        assert found.version == version  # what was damaged says nothing of the files, such as the time in gzip's header


# --------------------------------------------------------------------------------------------------------------- put and get


def test_a_model_goes_in_and_comes_out_on_another_machine(
    site: Site, version: ModelVersion, packed: bytes, world_home: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RegistryClient(site.url, TOKEN) as client:
        assert client.models() == ()
        assert not client.has(version.id)
        with monkeypatch.context() as patch:
            patch.setenv(paths.HOME_VARIABLE, str(world_home))
            assert client.upload(version.id)
            assert not client.upload(version.id)
        assert client.models() == (version.id,)
        assert store.find(version.id) is None
        assert client.fetch(version.id) == version
        assert hasattr(store.load(version), "predict_proba")
    assert sorted(path.name for path in (elsewhere / "models").iterdir()) == [version.id]
    with RegistryClient("http://127.0.0.1:9") as away:
        assert away.fetch(version.id) == version, "what is in the store is not asked for"


def test_what_is_answered(site: Site, version: ModelVersion, packed: bytes) -> None:
    first = site.put(version.id, packed, **{"Content-Digest": digest(packed)})
    assert (first.status_code, first.json()["size"], first.json()["digest"]) == (201, len(packed), digest(packed))
    assert site.put(version.id, packed).status_code == 200
    found = site.http.get(f"/v1/models/{version.id}")
    assert found.content == packed
    assert found.headers["content-digest"] == digest(packed)
    assert found.headers["content-type"] == artifacts.MEDIA_TYPE
    look = site.http.head(f"/mirror/v1/models/{version.id}")
    assert (look.status_code, look.headers["content-length"], look.headers["etag"]) == (
        200,
        str(len(packed)),
        found.headers["etag"],
    )
    assert [one["id"] for one in site.http.get("/v1/models").json()["models"]] == [version.id]
    unknown = site.http.get(f"/v1/models/{version.id[:-1]}")
    assert (unknown.status_code, unknown.json()["error"]) == (404, f"there is no such model: did you mean {version.id!r}?")
    lines = site.http.get("/metrics").text
    assert "registry_models 1.0" in lines
    assert f"registry_bytes {float(len(packed))}" in lines
    assert 'registry_uploads_total{result="new"} 1.0' in lines
    assert 'registry_downloads_total{result="missing"} 1.0' in lines
    assert site.http.get("/readyz").status_code == 200
    site.registry.stopping = True
    assert site.http.get("/readyz").status_code == 503


def test_what_is_stored_does_not_change(
    site: Site, version: ModelVersion, packed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert site.put(version.id, packed).status_code == 201
    other = gzip.compress(gzip.decompress(packed), mtime=1)
    assert "with other content" in site.refused(version.id, other, 409)
    assert site.http.get(f"/v1/models/{version.id}").content == packed
    with RegistryClient(site.url, TOKEN) as client:
        monkeypatch.setattr(client, "has", lambda _model: False)
        monkeypatch.setattr(client_side, "pack", lambda _model: other)
        assert not client.upload(version.id), "somebody was faster"


@pytest.mark.parametrize("name", ["..", ".hidden", "%2e%2e%2fescape", "a%2fb", "..%5cb", "a" * 200, "a%00b", "a b", "-a"])
def test_a_hostile_name_is_refused(site: Site, packed: bytes, name: str) -> None:
    answer = site.put(name, packed)
    assert answer.status_code in (404, 405, 422), answer.text
    assert site.http.get(f"/v1/models/{name}").status_code in (404, 422)
    assert list(site.folder.iterdir()) == []
    assert sorted(path.name for path in site.folder.parent.iterdir()) == ["volume"]


def test_uploads_that_are_wrong(site: Site, version: ModelVersion, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not belong there" in site.refused(version.id, tar(("../x", b"x")))
    assert site.refused(OTHER, packed).endswith(f"its meta.json is that of {version.id}")
    assert "at most 4,194,304 bytes are taken" in site.refused(version.id, bytes(5 << 20), 413)
    chunks = site.http.put(
        f"/v1/models/{version.id}", content=(bytes(1 << 20) for _ in range(6)), headers={"X-Control-Token": TOKEN}
    )
    assert chunks.status_code == 413
    wrong = site.put(version.id, packed, **{"Content-Digest": digest(b"another")})
    assert (wrong.status_code, "Content-Digest" in wrong.text) == (400, True)
    assert site.http.put(f"/v1/models/{version.id}", content=packed).status_code == 401
    assert site.http.put(f"/v1/models/{version.id}", content=packed, headers={"X-Control-Token": "x"}).status_code == 401
    monkeypatch.setattr(site.registry.archives, "_room", len(packed) - 1)
    assert "REGISTRY_ROOM" in site.refused(version.id, packed, 507)
    assert list(site.folder.iterdir()) == []
    assert site.http.get("/v1/models").json() == {"models": []}


def test_an_upload_that_never_comes_is_given_up(site: Site, version: ModelVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_side, "READ_TIMEOUT", 0.05)
    waiting = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield b"x"
        waiting.wait(20.0)
        yield b"y"

    released = threading.Timer(1.0, waiting.set)
    released.start()
    answer = site.http.put(f"/v1/models/{version.id}", content=slowly(), headers={"X-Control-Token": TOKEN})
    released.join()
    assert answer.status_code == 408


def test_a_full_disk_leaves_nothing(site: Site, version: ModelVersion, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("drillbox.stacks.services.registry.archives.os.fsync", full)
    assert "No space left on device" in site.refused(version.id, packed, 507)
    assert list(site.folder.iterdir()) == []
    monkeypatch.undo()
    assert site.put(version.id, packed).status_code == 201


def test_a_registry_that_starts_anew_has_what_was_stored(tmp_path: Path, version: ModelVersion, packed: bytes) -> None:
    Archives(tmp_path, 1 << 30).add(version.id, packed)
    (tmp_path / ".x.tar.gz.1234.part").write_bytes(b"half")
    (tmp_path / "lost+found").mkdir()
    again = Archives(tmp_path, 1 << 30)
    entry = again.find(version.id)
    assert entry is not None
    assert (entry.size, entry.digest) == (len(packed), digest(packed))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{version.id}.tar.gz", "lost+found"]
    assert not again.add(version.id, packed)
    with pytest.raises(UsageError, match="REGISTRY_FOLDER=.* cannot be used"):
        Archives(tmp_path / f"{version.id}.tar.gz", 1 << 30)


# --------------------------------------------------------------------------------------------------------------------- faults


def test_refused_downloads_are_told_and_the_mirror_goes_on(
    site: Site, version: ModelVersion, packed: bytes, elsewhere: Path
) -> None:
    site.put(version.id, packed)
    assert site.beat("PUT", {"fault": "artifacts.refusing"}).status_code == 204
    with RegistryClient(site.url, TOKEN) as client, RegistryClient(f"{site.url}/mirror") as mirror:
        with pytest.raises(
            RegistryError, match=r"503 Service Unavailable from the artifact store at http.*: downloads are refused"
        ):
            client.fetch(version.id)
        assert client.has(version.id), "who uploads is not harmed"
        assert mirror.fetch(version.id) == version
    assert site.beat("DELETE").status_code == 204
    assert site.beat("DELETE").status_code == 204
    assert site.http.get(f"/v1/models/{version.id}").status_code == 200
    unknown = site.beat("PUT", {"fault": "artifacts.refusin"})
    assert (unknown.status_code, "did you mean 'artifacts.refusing'?" in unknown.text) == (422, True)
    assert site.beat("PUT", {"fault": "artifacts.refusing", "params": {"share": 0.5}}).status_code == 422


# --------------------------------------------------------------------------------------------------------------------- client


def answering(handle: Callable[[httpx.Request], httpx.Response]) -> RegistryClient:
    return RegistryClient("http://registry:8080/", TOKEN, httpx.Client(transport=httpx.MockTransport(handle)))


def test_a_registry_that_is_away_or_none_is_told_of(version: ModelVersion, packed: bytes) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused", request=request)

    for call in (lambda one: one.models(), lambda one: one.has("m"), lambda one: one.download("m"), lambda one: one.upload("m")):
        with pytest.raises(RegistryError, match="no answer from the artifact store at http://registry:8080: Connection refused"):
            call(answering(away))
    with pytest.raises(RegistryError, match="is no registry"):
        answering(lambda _request: httpx.Response(200, json=[])).models()
    with pytest.raises(RegistryError, match=r"^502 Bad Gateway from the artifact store at http://registry:8080$"):
        answering(lambda _request: httpx.Response(502, text="<html>")).has("m")
    damaged = answering(lambda _request: httpx.Response(200, content=packed[:-9], headers={"Content-Digest": digest(packed)}))
    with pytest.raises(RegistryError, match="was damaged on its way"):
        damaged.download(version.id)
    assert RegistryError.exit_code is Exit.STACK


def test_a_download_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_side, "MOST", 100)
    with pytest.raises(RegistryError, match="has more than 100 bytes"):
        answering(lambda _request: httpx.Response(200, content=(b"x" * 10 for _ in range(1_000_000)))).download("m")


def test_digests() -> None:
    assert digest(b"hello") == "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"
    assert not is_damaged(b"hello", "sha-512=:x:, sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:")
    assert is_damaged(b"hallo", "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:")
    assert not is_damaged(b"hello", "")


class Clockwork(threading.Event):
    """An event for which nobody has to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return self.is_set()


def test_it_is_tried_again_with_growing_pauses_until_it_is_done_or_ended() -> None:
    failures, told, stop = iter(range(7)), [], Clockwork()

    def task() -> str:
        if next(failures, None) is not None:
            raise RegistryError("away")
        return "done"

    assert persist(task, lambda error, pause: told.append((str(error), pause)), stop) == "done"
    assert stop.pauses == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert told == [("away", pause) for pause in stop.pauses]
    tries: list[int] = []

    def never() -> None:
        tries.append(1)
        if len(tries) == 3:
            stop.set()
        raise RegistryError("away")

    with pytest.raises(RegistryError):
        persist(never, lambda *_told: None, stop)
    assert len(tries) == 3
    with pytest.raises(RegistryError):
        persist(never, lambda *_told: None, Clockwork(), patience=0.5)
    assert len(tries) == 4


# -------------------------------------------------------------------------------------------------------- schema and process


def test_schemathesis_finds_nothing(site: Site, version: ModelVersion, packed: bytes) -> None:
    site.put(version.id, packed)
    schema = schemathesis.openapi.from_url(f"{site.url}/openapi.json")
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            _try(operation, mode)
    assert site.http.get("/healthz").status_code == 200


def _try(operation: Any, mode: Any) -> None:
    from hypothesis.errors import Unsatisfiable

    @settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
    @whatever(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        # Which models there are, and what an archive holds, is beyond what a schema says.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])
        if case.path.startswith("/control") or case.method == "PUT":  # a token makes good what is wrong with the headers
            headers = {"X-Control-Token": TOKEN}
            unfit = [positive_data_acceptance, negative_data_rejection, ignored_auth]
            case.call_and_validate(headers=headers, excluded_checks=unfit)

    try:
        check()
    except Unsatisfiable:  # nothing to get wrong in an operation without parameters
        assert mode == schemathesis.GenerationMode.NEGATIVE


def test_a_process_begins_and_ends(start: Any, tmp_path: Path, version: ModelVersion, packed: bytes) -> None:
    one = start("registry", REGISTRY_FOLDER=str(tmp_path / "volume")).ready()
    with RegistryClient(one.url, "token-of-the-tests") as client:
        assert client.upload(version.id)
    assert one.text("0 models, 0 bytes, in")
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(30.0) == 0
    one.wait_for("terminated")


def test_settings_that_are_wrong() -> None:
    with pytest.raises(UsageError, match="REGISTRY_FOLDER is not set: it is folder of the archives"):
        read(RegistrySettings, {})
    with pytest.raises(UsageError, match="REGISTRY_LIMIT='10'"):
        read(RegistrySettings, {"REGISTRY_FOLDER": "/x", "REGISTRY_LIMIT": "10"})
