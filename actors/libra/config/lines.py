"""On which line of a TOML file each key stands, so that a message can name the place.

`tomllib` parses and checks a file but does not say where anything stood. This scanner runs over text that `tomllib` has
accepted already, so it only has to know where strings, arrays and tables end.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
"""The way to a value: keys of tables and indexes of arrays."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    "|".join(
        (
            r'"""(?:\\.|[^\\])*?"""(?:"{0,2})',
            r"'''.*?'''(?:'{0,2})",
            r'"(?:\\.|[^"\\\n])*"',
            r"'[^'\n]*'",
        )
    ),
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[Path, int]:
    """Finds the line of every key and array element.

    Args:
        text: A TOML document that `tomllib` accepts.

    Returns:
        From path to line, the first line being 1. A table that is opened more than once has its first line.
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.lines: dict[Path, int] = {}
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._elements: dict[Path, int] = {}  # arrays of tables: how many elements were opened

    def document(self) -> None:
        """Reads the whole text."""
        table: Path = ()
        while self._skip(_BLANK):
            if self._at("["):
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        is_array = self.text.startswith("[[", self.position)
        line = self._line()
        self.position += 2 if is_array else 1
        keys = self._keys()
        self.position += 2 if is_array else 1
        path: Path = ()
        for depth, key in enumerate(keys, start=1):
            path = (*path, key)
            if is_array and depth == len(keys):
                self.lines.setdefault(path, line)
                self._elements[path] = self._elements.get(path, 0) + 1
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
            self.lines.setdefault(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._line()
        path = table
        for key in self._keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.position += 1  # the equals sign
        self._value(path)

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            if (quoted := _STRING.match(self.text, self.position)) is not None:
                keys.append(str(tomllib.loads(f"k = {quoted.group()}")["k"]))
                self.position = quoted.end()
            else:
                keys.append(self._take(_BARE_KEY))
            self._skip(_SPACE)
            if not self._at("."):
                return keys
            self.position += 1

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        self.lines.setdefault(path, self._line())
        if self._at("["):
            self._array(path)
        elif self._at("{"):
            self._inline_table(path)
        elif _STRING.match(self.text, self.position):
            self._take(_STRING)
        else:
            self._take(_SCALAR)

    def _array(self, path: Path) -> None:
        self.position += 1
        index = 0
        while self._skip(_BLANK) and not self._at("]"):
            if self._at(","):
                self.position += 1
                continue
            self._value((*path, index))
            index += 1
        self.position += 1

    def _inline_table(self, path: Path) -> None:
        self.position += 1
        while self._skip(_BLANK) and not self._at("}"):
            if self._at(","):
                self.position += 1
                continue
            self._pair(path)
        self.position += 1

    def _at(self, character: str) -> bool:
        return self.text.startswith(character, self.position)

    def _line(self) -> int:
        return bisect_right(self._starts, self.position)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Goes past what matches; false at the end of the text."""
        match = pattern.match(self.text, self.position)
        self.position = match.end() if match else self.position
        return self.position < len(self.text)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            raise AssertionError(f"not TOML at offset {self.position}: tomllib should have refused this text")
        self.position = match.end()
        return match.group()
