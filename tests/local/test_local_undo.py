"""What faults change is on disk before, and is undone by whoever comes, once or twice, whatever was torn."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from local_kit import Stranger, until

from drillbox.sandbox.model.errors import StackError, UsageError
from drillbox.stacks.real.machine import undo as undoing
from drillbox.stacks.real.machine.records import stat
from drillbox.stacks.real.machine.undo import Entry, UndoLog, cancel, carry_on, remove_again, undo, write_back


@pytest.fixture
def log(tmp_path: Path) -> UndoLog:
    return UndoLog(tmp_path / "drill")


def test_a_stopped_process_goes_on(log: UndoLog) -> None:
    with Stranger() as process:
        log.note("hang", *carry_on(process.identity))
        process.popen.send_signal(signal.SIGSTOP)
        until(lambda: (found := stat(process.popen.pid)) and found.state == "T")
        assert UndoLog(log.path.parent).undo_all() == []
        until(lambda: (found := stat(process.popen.pid)) and found.state == "S")
    assert log.pending() == []


def test_files_are_put_back_and_removed(log: UndoLog, tmp_path: Path) -> None:
    model, made, folder, limit = tmp_path / "model.skops", tmp_path / "made", tmp_path / "folder", tmp_path / "cpu.max"
    model.write_text("good")
    limit.write_text("max")
    log.note("bad-artifact", *log.keep("bad-artifact", model))
    log.note("new-artifact", *log.keep("new-artifact", made))
    log.note("disk", *remove_again(folder))
    log.note("cpu", *write_back([(limit, "max"), (tmp_path / "gone", "7")]))
    model.write_text("bad")
    made.write_text("bad")
    (folder / "inside").mkdir(parents=True)
    limit.write_text("10000 100000")
    assert log.undo_all() == []
    assert log.undo_all() == []
    for entry in [Entry("bad-artifact", *log.keep("again", model)), Entry("disk", *remove_again(folder))]:
        undo(entry)
        undo(entry)
    assert (model.read_text(), made.exists(), folder.exists(), limit.read_text()) == ("good", False, False, "max")
    assert not (tmp_path / "gone").exists()


def test_the_first_note_of_a_key_has_the_last_word(log: UndoLog, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1")
    for value in ("1", "2"):
        log.note("memory", *write_back([(limit, value)]))
    assert log.undo_all() == []
    assert limit.read_text() == "1"


def test_what_cannot_be_undone_stays_and_the_rest_is_done(log: UndoLog, tmp_path: Path) -> None:
    kept = tmp_path / "model"
    kept.write_text("good")
    way = log.keep("artifact", kept)
    log.note("artifact", *way)
    log.note("disk", *remove_again(tmp_path / "nothing"))
    Path(way[1]["kept"]).unlink()
    assert log.undo_all() == [f"artifact (restore): what was kept of {kept} is gone from {way[1]['kept']}"]
    assert [entry.key for entry in log.pending()] == ["artifact"]
    with pytest.raises(StackError, match="undo log: unknown kind 'wish'; choose one of continue, "):
        log.note("x", "wish", {})
    with pytest.raises(StackError, match="does not know how to undo 'wish'"):
        undo(Entry("x", "wish", {}))


def test_what_stands_in_the_way_of_another_is_out_of_it_at_the_second_attempt(tmp_path: Path) -> None:
    """Of a key that failed all is done again: else the later note would have the last word."""
    done: list[str] = []

    def resume(data: Mapping[str, object]) -> None:
        if "node" not in done:
            raise StackError("its node is paused")
        done.append(f"process {data['value']}")

    log = UndoLog(tmp_path / "drill", {"node": lambda _data: done.append("node"), "process": resume})
    log.note("loss", "node", {})
    log.note("hang", "process", {"value": 1})
    log.note("hang", "process", {"value": 2})
    assert log.undo_all() == []
    assert done == ["node", "process 2", "process 1"]
    assert log.pending() == []


def test_a_note_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "drill").write_text("a file")
    with pytest.raises(UsageError, match="cannot write .*drill"):
        UndoLog(tmp_path / "drill").note("disk", *remove_again(tmp_path / "x"))
    full = UndoLog(Path("/dev"))
    full.path = Path("/dev/full")
    with pytest.raises(UsageError, match="cannot write /dev/full: the disk is full"):
        full.note("disk", *remove_again(tmp_path / "x"))


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=12), st.integers(0, 2000))
def test_a_torn_log_forgets_at_most_its_last_line_and_takes_new_ones(steps: list[tuple[str, bool]], cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        log, noted = UndoLog(Path(place)), []
        for key, is_note in steps:
            if is_note:
                log.note(key, *remove_again(Path("/nowhere") / str(len(noted))))
                noted.append(key)
            else:
                log.done(key)
                noted = [one for one in noted if one != key]
        assert [entry.key for entry in log.pending()] == noted
        content = log.path.read_bytes() if log.path.exists() else b""
        whole = content[: cut % (len(content) + 1)]
        log.path.write_bytes(whole)
        lines = whole.split(b"\n")
        expected: list[str] = []
        for line in lines if _is_json(lines[-1]) else lines[:-1]:
            data = json.loads(line)
            expected = [one for one in expected if one != data["done"]] if "done" in data else [*expected, data["key"]]
        assert [entry.key for entry in log.pending()] == expected
        log.note("new", *remove_again(Path("/nowhere")))
        assert [entry.key for entry in log.pending()] == [*expected, "new"]


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_nobody_else_may_read_it(log: UndoLog) -> None:
    log.note("beat", *cancel("http://127.0.0.1:1/beats/1", "secret"))
    assert log.path.stat().st_mode & 0o077 == 0


# ----------------------------------------------------------------------------------------------------------- of services


class Service(BaseHTTPRequestHandler):
    """Answers DELETE by its path's last number."""

    seen: list[tuple[str, str | None]] = []  # noqa: RUF012  # a handler is made for each request

    def do_DELETE(self) -> None:
        self.seen.append((self.path, self.headers["authorization"]))
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not on the terminal."""


@pytest.fixture
def service() -> Iterator[str]:
    Service.seen.clear()
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_beat_is_cancelled_and_a_service_that_is_gone_has_forgotten_it(
    log: UndoLog, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in (200, 404, 500):
        log.note(f"beat-{answer}", *cancel(f"{service}/control/beats/{answer}", "secret"))
    log.note("beat-gone", *cancel("http://127.0.0.1:1/control/beats/1", "secret"))
    assert log.undo_all() == [f"beat-500 (request): {service}/control/beats/500 answers 500"]
    assert ("/control/beats/200", "Bearer secret") in Service.seen
    assert [entry.key for entry in log.pending()] == ["beat-500"]
    asked = len(Service.seen)
    assert log.undo_all(services=False) == []
    assert (len(Service.seen), log.pending()) == (asked, [])
    monkeypatch.setattr(undoing, "_PATIENCE", 0.05)
    deaf = HTTPServer(("127.0.0.1", 0), Service)  # listens, and nobody answers
    log.note("deaf", *cancel(f"http://127.0.0.1:{deaf.server_port}/1", "secret"))
    (told,) = log.undo_all()
    assert "does not answer" in told
    deaf.server_close()


def test_a_file_comes_back_whole_even_over_a_link(log: UndoLog, tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("good")
    link.symlink_to(real)
    log.note("artifact", *log.keep("artifact", link))
    link.unlink()
    link.write_text("bad")
    assert log.undo_all() == []
    assert link.read_text() == "good"
