# SPDX-License-Identifier: Apache-2.0
"""Understand `filter` (AIP-160) and `orderBy` (AIP-132) of the v1 list methods, whatever they list.

**Unconfirmed for the real service**: how labels are spelled (its texts say `label`, the resource's field is
`labels`; here `labels.k="v"`, `labels.k:"v"`, `label.k="v"` and `label.k:"v"` all work), whether OR is
supported, and how an absent field compares (here: false for every operator).

Grammar, after AIP-160, OR binding *tighter* than AND::

    expression = factor { ["AND"] factor }
    factor     = term { "OR" term }
    term       = ["NOT" | "-"] ( "(" expression ")" | field operator value )

A string value of `=` and `!=` may hold `*` as a wildcard; `labels.k:*` asks whether the label is there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from airflow_provider_workflows.testing.errors import ApiError, invalid

Item = TypeVar("Item")
Predicate = Callable[[Any], bool]
Getter = Callable[[Any], Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<punct>!=|<=|>=|[=<>:()])
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<word>-?(?:[^\s()"'=!<>:]|(?<=\.)"[^"]*")+))""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)?)?$")
_ALIASES = {"executionID": "executionId", "workflowRevisionID": "workflowRevisionId"}


@dataclass(frozen=True, eq=False)
class Fields:
    """What of a kind of resource can be compared and ordered by.

    :ivar getters: a field's value, None where it is absent. Times are epoch nanoseconds.
    :ivar unordered: those of them that `orderBy` does not know.
    :ivar readers: makes the value to compare with from its text, where it is no text.
    :ivar labels: returns an item's labels, for resources that have some.
    """

    getters: Mapping[str, Getter]
    unordered: frozenset[str] = frozenset()
    readers: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    labels: Callable[[Any], Mapping[str, str]] | None = None


class Token(NamedTuple):
    """A lexical element: `kind` is punct, string or word."""

    kind: str
    text: str


@lru_cache(maxsize=256)
def parse_filter(text: str, fields: Fields, *, labels: bool = True) -> Predicate:
    """Return a predicate for a filter.

    :param labels: False refuses label comparisons, as a service that has another spelling would.
    :raises ApiError: 400, the text is not a filter that the emulator understands.
    """
    parser = _Parser(_tokens(text), fields, fields.labels if labels else None)
    try:
        predicate = parser.expression()
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    if parser.tokens:
        raise _bad(f"unexpected {parser.tokens[0].text!r}")
    return predicate


def _bad(text: str) -> ApiError:
    return invalid(f"Invalid filter: {text}", "filter")


def _tokens(text: str) -> list[Token]:
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _bad(f"cannot read {text[position : position + 20]!r}")
        tokens.append(Token(match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return tokens


class _Parser:
    """Consume `tokens` from the front by recursive descent."""

    def __init__(self, tokens: list[Token], fields: Fields, labels: Callable[[Any], Mapping[str, str]] | None) -> None:
        self.tokens = tokens
        self._fields = fields
        self._labels = labels

    def _next(self) -> Token:
        if not self.tokens:
            raise _bad("it ends too early")
        return self.tokens.pop(0)

    def _take(self, kind: str, *texts: str) -> str | None:
        if self.tokens and self.tokens[0].kind == kind and self.tokens[0].text in texts:
            return self.tokens.pop(0).text
        return None

    def expression(self) -> Predicate:
        parts = [self._factor()]
        while self.tokens and self.tokens[0] != Token("punct", ")"):
            self._take("word", "AND")
            parts.append(self._factor())
        if len(parts) == 1:
            return parts[0]
        return lambda look: all(part(look) for part in parts)

    def _factor(self) -> Predicate:
        parts = [self._term()]
        while self._take("word", "OR"):
            parts.append(self._term())
        if len(parts) == 1:
            return parts[0]
        return lambda look: any(part(look) for part in parts)

    def _term(self) -> Predicate:
        if self._take("word", "NOT", "-") or self._strip_minus():
            inner = self._simple()
            return lambda look: not inner(look)
        return self._simple()

    def _strip_minus(self) -> bool:
        if not self.tokens or self.tokens[0].kind != "word" or not self.tokens[0].text.startswith("-"):
            return False
        self.tokens[0] = Token("word", self.tokens[0].text[1:])
        return True

    def _simple(self) -> Predicate:
        if self._take("punct", "("):
            inner = self.expression()
            if not self._take("punct", ")"):
                raise _bad("a parenthesis is not closed")
            return inner
        field, sign, value = self._next(), self._next(), self._next()
        if field.kind != "word" or sign.kind != "punct" or sign.text in "()" or value.kind == "punct":
            raise _bad(f"expected a comparison at {field.text!r}")
        return self._comparison(field.text, sign.text, value)

    def _comparison(self, field: str, sign: str, value: Token) -> Predicate:
        root, _, key = field.partition(".")
        literal = _unquote(value)
        if root in {"label", "labels"}:
            if self._labels is None:
                raise _bad(f"unsupported field {root!r}")
            any_value = value == Token("word", "*")
            return _label_predicate(self._labels, key.strip('"'), sign, literal, any_value=any_value)
        name = _ALIASES.get(field, field)
        if name not in self._fields.getters:
            raise _bad(f"unsupported field {field!r}")
        if sign == ":":
            raise _bad(f"operator ':' is not supported for {field!r}")
        wanted = self._fields.readers.get(name, str)(literal)
        return _field_predicate(self._fields.getters[name], sign, wanted)


def _unquote(value: Token) -> str:
    return re.sub(r"\\(.)", r"\1", value.text[1:-1]) if value.kind == "string" else value.text


def _label_predicate(
    labels: Callable[[Any], Mapping[str, str]], key: str, sign: str, literal: str, *, any_value: bool
) -> Predicate:
    if not key:  # labels:k asks for the presence of a key
        if sign != ":":
            raise _bad("a label comparison names its key: labels.key")
        return lambda item: literal in labels(item)
    if sign == ":" and any_value:
        return lambda item: key in labels(item)
    if sign in {"=", ":"}:
        return lambda item: labels(item).get(key) == literal
    if sign == "!=":
        return lambda item: key in labels(item) and labels(item)[key] != literal
    raise _bad(f"operator {sign!r} is not supported for labels")


def _field_predicate(getter: Getter, sign: str, wanted: Any) -> Predicate:
    if sign in {"=", "!="}:
        equal = _matcher(wanted)
        return lambda item: (value := getter(item)) is not None and equal(value) == (sign == "=")
    compare = _COMPARE[sign]
    return lambda item: (value := getter(item)) is not None and compare(value, wanted)


def _matcher(wanted: Any) -> Callable[[Any], bool]:
    if isinstance(wanted, str) and "*" in wanted:
        pattern = wanted.replace("[", "[[]").replace("?", "[?]")
        return lambda value: fnmatchcase(value, pattern)
    return lambda value: bool(value == wanted)


def parse_time(text: str) -> int:
    """Return epoch nanoseconds for an RFC 3339 time or a date; without an offset it is UTC.

    :raises ApiError: 400.
    """
    match = _TIME.match(text)
    if match is None:
        raise _bad(f"{text!r} is not a time")
    day, clock, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}")
        offset = _offset(zone or "Z")
        moment = moment.replace(tzinfo=timezone.utc) - offset
    except (ValueError, OverflowError):
        raise _bad(f"{text!r} is not a time") from None
    return int(moment.timestamp()) * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


def _offset(zone: str) -> timedelta:
    if zone in {"Z", "z"}:
        return timedelta()
    return datetime.fromisoformat(f"2000-01-01T00:00:00{zone}").utcoffset() or timedelta()


def parse_duration(text: str) -> int:
    """Return nanoseconds for `3.5s`.

    :raises ApiError: 400.
    """
    try:
        return round(float(text.removesuffix("s")) * 1e9)
    except (ValueError, OverflowError):
        raise _bad(f"{text!r} is not a duration; write 3.5s") from None


def parse_number(text: str) -> int:
    """Return the whole number that an id is.

    :raises ApiError: 400.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise _bad(f"{text!r} is not a whole number")
    return int(text)


def parse_order(text: str, fields: Fields) -> list[tuple[str, bool]]:
    """Return [(field, descending)] for `orderBy`; empty when the text is.

    :raises ApiError: 400.
    """
    order = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, *direction = part.split()
        name = _ALIASES.get(name, name)
        if name not in fields.getters or name in fields.unordered or direction not in ([], ["asc"], ["desc"]):
            raise invalid(f"Invalid order_by: {part!r}", "order_by")
        order.append((name, direction == ["desc"]))
    return order


def sort_items(items: Iterable[Item], order: list[tuple[str, bool]], fields: Fields) -> list[Item]:
    """Return the items in an order; an absent value sorts before all others."""
    ordered = list(items)
    for name, descending in reversed(order):
        getter = fields.getters[name]

        def key(item: Item, getter: Getter = getter) -> tuple[bool, Any]:
            value = getter(item)
            return (value is not None, value if value is not None else 0)

        ordered.sort(key=key, reverse=descending)
    return ordered
