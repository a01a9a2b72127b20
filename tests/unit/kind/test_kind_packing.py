"""Archives of images get smaller on their way, and hold what they held."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

import pytest
import zstandard

from drillbox.stacks.kind.cluster.packing import LEAST, OCI_LAYOUT, pack

PIECE = 100_000
ZSTD = bytes.fromhex("28b52ffd")


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("again/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../one/layer.tar"
        tar.addfile(link)
    return buffer.getvalue()


def packed(content: bytes) -> dict[str, bytes | str]:
    """What is in the archive that comes out; of a link where it leads."""
    made = bytearray()
    pack((content[at : at + PIECE] for at in range(0, len(content), PIECE)), made.extend)
    with tarfile.open(fileobj=io.BytesIO(bytes(made))) as tar:
        files = ((member, tar.extractfile(member) if member.isreg() else None) for member in tar)
        return {member.name: file.read() if file is not None else member.linkname for member, file in files}


def test_layers_are_compressed_and_nothing_else_is_changed() -> None:
    layer = archive({"opt/numbers": b"0123456789" * LEAST})
    text, noise = b"x" * (LEAST + 1), archive({})
    given = {"manifest.json": b"[{}]", "one/layer.tar": layer, "two/layer.tar": noise, "large.json": text, OCI_LAYOUT: b"{}"}
    found = packed(archive(given))
    assert list(found) == ["manifest.json", "one/layer.tar", "two/layer.tar", "large.json", "again/layer.tar"]
    smaller = found["one/layer.tar"]
    assert isinstance(smaller, bytes)
    assert smaller.startswith(ZSTD)
    assert len(smaller) < len(layer) / 10
    assert zstandard.ZstdDecompressor().decompressobj().decompress(smaller) == layer
    assert found["again/layer.tar"] == "../one/layer.tar"
    assert {name: found[name] for name in ("manifest.json", "two/layer.tar", "large.json")} == {
        "manifest.json": b"[{}]",
        "two/layer.tar": noise,  # too small to be worth it
        "large.json": text,  # no layer
    }


@pytest.mark.parametrize("content", [b"image", b"", b"x" * 5000])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(tarfile.TarError):
        packed(content)
