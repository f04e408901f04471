"""A second reader of the vendor's answers, for the exporter's decoder to be compared with.

It is written from the vendor's page and from what the exporter says it makes of odd answers, not from the decoder, and leaves the parsing
to Python's own json. In: an answer a line, in base64. Out: what it says, a line of JSON each.
"""

import base64
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

DEEPEST = 64
# From here on a number with a fraction or an exponent may be another number than was meant.
INEXACT = 2**53
NONE_WORDS = {"NaN", "Infinity", "-Infinity"}
BLANKS = r"[\s\x00-\x1f\x7f-\x9f]+"
# Texts (an unfinished one too), brackets, and JavaScript's word for nothing, which Python does not know.
TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"?|[][{}]|undefined', re.DOTALL)

Json: TypeAlias = "None | bool | str | Number | Conflict | list[Json] | dict[str, Json]"
Reading: TypeAlias = dict[str, object]


@dataclass(frozen=True)
class Number:
    """A number as it is written, so that none is too large to be told from another."""

    token: str


@dataclass(frozen=True)
class Conflict:
    """What a key that is there twice with two values has."""

    values: "tuple[Json, Json]"


class Undecodable(Exception):
    """The body is not an answer."""


def fields(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object."""
    values: dict[str, Json] = {}
    for name, value in pairs:
        known = values.get(name, value)
        values[name] = value if known == value else Conflict((known, value))
    return values


def parse(body: bytes) -> Json:
    """The body as JSON: a byte order mark, broken characters, raw line breaks in texts and words for no number are let pass."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    depth = 0
    for token in TOKENS.findall(text):
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        if depth > DEEPEST:
            raise Undecodable
    text = TOKENS.sub(lambda token: "NaN" if token[0] == "undefined" else token[0], text)
    try:
        numbers = dict.fromkeys(("parse_int", "parse_float", "parse_constant"), Number)
        return json.loads(text, strict=False, object_pairs_hook=fields, **numbers)
    except ValueError as error:
        raise Undecodable from error


def stripped(text: str) -> str:
    """A text without the blanks and control characters around it."""
    return re.sub(f"^{BLANKS}|{BLANKS}$", "", text)


def is_there(value: Json) -> bool:
    """Whether a value says anything: null and blank texts do not."""
    return value is not None and not (isinstance(value, str) and not stripped(value))


def whole(value: Json) -> int | None:
    """The whole number of 64 bits that a number is, or a text of nothing but its digits."""
    number = None
    match value:
        case str() if re.fullmatch(r"[+-]?[0-9]{1,40}", stripped(value)):
            number = int(stripped(value))
        case Number(token) if re.fullmatch(r"-?[0-9]{1,40}", token):
            number = int(token)
        case Number(token) if float(token).is_integer() and abs(float(token)) < INEXACT:
            number = int(float(token))
    return number if number is not None and -(2**63) <= number < 2**63 else None


@dataclass
class Page:
    """What the data of a good answer says."""

    data: dict[str, Json]
    unreadable: set[str] = field(default_factory=set)

    def number(self, name: str, of: dict[str, Json] | None = None) -> int | None:
        """A number that may be any."""
        value = (self.data if of is None else of).get(name)
        number = whole(value)
        if number is None and is_there(value):
            self.unreadable.add(name)
        return number

    def amount(self, name: str, times: int = 1) -> int | None:
        """A number that is at least 0, in units of this size, and still one of 64 bits."""
        number = self.number(name)
        if number is None or 0 <= number * times < 2**63:
            return None if number is None else number * times
        self.unreadable.add(name)
        return None

    def nodes(self, name: str) -> list[dict[str, Json]] | None:
        """The nodes of a list, and None where there is no list."""
        value = self.data.get(name)
        if not isinstance(value, list):
            if is_there(value):
                self.unreadable.add(name)
            return None
        if any(element is not None and not isinstance(element, dict) for element in value):
            self.unreadable.add(name)
        return [element for element in value if isinstance(element, dict)]

    def key(self, node: dict[str, Json]) -> int | str | None:
        """What tells a node from another: numbers and texts do."""
        number = self.number("keyId", node)
        match node.get("keyId"):
            case _ if number is not None:
                return number
            case str(text) if is_there(text):
                return text
            case Number(token) if token not in NONE_WORDS:
                return token
        return None

    def task(self, node: dict[str, Json]) -> None:
        """What names the group call of a node: a number, or any text."""
        match node.get("taskId"):
            case str():
                pass
            case Number(token) if token not in NONE_WORDS:
                pass
            case value if is_there(value):
                self.unreadable.add("taskId")

    def read(self) -> Reading:
        """All of it."""
        kind = self.number("recallType")
        lists = [nodes for name in ("nodeList", "records") if (nodes := self.nodes(name)) is not None]
        nodes = [node for nodes in lists for node in nodes]
        counts = [0] * 6
        for node in nodes:
            status = self.number("nodeStatus", node)
            counts[status if status in range(5) else 5] += 1
            self.task(node)
        keys = [self.key(node) for node in nodes]
        return {
            "outcome": "ok",
            "keyId": self.number("keyId"),
            "status": self.number("status"),
            "recallType": None if kind is None else {0: "all", 1: "failed"}.get(kind, "unknown"),
            "recallNum": self.amount("recallNum"),
            "interval_seconds": self.amount("recallInterval", 60),
            "nodes_by_status": counts if lists else None,
            "nodes_with_key": sum(key is not None for key in keys),
            "different_keys": len({key for key in keys if key is not None}),
            "total": self.amount("total"),
            "pages": self.number("pages"),
            "size": self.number("size"),
            "current": self.number("current"),
            "unreadable": sorted(self.unreadable),
        }


def read(body: bytes) -> Reading:
    """What an answer says."""
    try:
        envelope = parse(body)
    except Undecodable:
        return {"outcome": "decode"}
    if not isinstance(envelope, dict):
        return {"outcome": "decode"}
    code, status, data = (envelope.get(name) for name in ("code", "status", "data"))
    outcome = whole(code if is_there(code) else status)
    if outcome is None:
        return {"outcome": "decode"}
    if outcome != 0:
        return {"outcome": outcome}
    if not is_there(data) or data == []:
        return {"outcome": "no_data"}
    if not isinstance(data, dict):
        return {"outcome": "decode"}
    page = Page(data)
    if is_there(code) and is_there(status) and whole(status) is None:
        page.unreadable.add("status")
    return page.read()


def main(lines: Iterable[bytes]) -> None:
    """Reads them all."""
    for line in lines:
        print(json.dumps(read(base64.b64decode(line))))


if __name__ == "__main__":
    main(sys.stdin.buffer)
