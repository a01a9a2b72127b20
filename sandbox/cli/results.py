"""What becomes of drills that were run for others: JSON, JUnit XML, HTML and Markdown, in files or on stdout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ..drill import Result
from ..model.errors import Exit
from ..paths import folder
from ..reports.html import debrief_html
from ..reports.junit import Case, junit_xml
from ..reports.markdown import debrief
from .output import check_writable, say, write_file


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one of the drills; without a result it came to none, for a reason."""

    name: str
    code: Exit
    data: Mapping[str, object]
    result: Result | None = None
    error: str = ""

    @property
    def case(self) -> Case:
        """As a test case of a CI."""
        return Case(self.name, self.result, self.error, "" if self.result else self.code.name.lower())


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that were asked for."""

    json_file: Path | None
    junit_file: Path | None
    html_file: Path | None
    md_file: Path | None
    several: bool

    @property
    def use_stdout(self) -> bool:
        """Whether one of them is stdout, so that nothing else may be printed there."""
        return "-" in map(str, self._named().values())

    @property
    def have_debriefs(self) -> bool:
        """Whether somebody will read what each action cost or saved."""
        return self.html_file is not None or self.md_file is not None

    def check(self) -> None:
        """Find out before the drills, not after them.

        Raises:
            UsageError: two of them are the same file, or one cannot be written.
        """
        seen: dict[Path, str] = {}
        for option, path in self._named().items():
            real = path.resolve()
            if real in seen:
                raise click.UsageError(f"{seen[real]} and {option} name the same file, {path}")
            seen[real] = option
            if path is self.html_file and self.several:
                folder(path)
            elif str(path) != "-":
                check_writable(path)

    def write(self, played: Sequence[Played]) -> None:
        """Write all of them."""
        results = [one.result for one in played if one.result is not None]
        if self.json_file is not None:
            text = json.dumps([one.data for one in played], indent=2, ensure_ascii=False) + "\n"
            self._put(self.json_file, text.encode())
        if self.junit_file is not None:
            self._put(self.junit_file, junit_xml([one.case for one in played]))
        if self.md_file is not None:
            write_file(self.md_file, "\n\n".join(map(debrief, results)).encode())
        if self.html_file is not None:
            for result in results:
                name = f"{result.scenario.stem}-{result.operator}-{result.seed}.html"
                write_file(self.html_file / name if self.several else self.html_file, debrief_html(result).encode())

    def _named(self) -> dict[str, Path]:
        named = {"--json": self.json_file, "--junit": self.junit_file, "--html": self.html_file, "--md": self.md_file}
        return {option: path for option, path in named.items() if path is not None}

    def _put(self, target: Path, content: bytes) -> None:
        if str(target) == "-":
            say(content.decode(), nl=False)
        else:
            write_file(target, content)
