# SPDX-License-Identifier: Apache-2.0
"""
Keep the contract: what the package relies on, and what nobody has published.

A function marked `relies` raises `DepartureError` where a server does otherwise. One marked `asks` takes any answer:
it returns a `Finding`, whose answer holds no ids, times or words of the server, so that two servers can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.contract.server import DepartureError, Exchange, RefusedError, Server, UnsettledError

HOLDS = "holds"
#: What stands for a setting of the emulator where no value of it does what the server does.
NO_VALUE = "none of them"


@dataclass(frozen=True)
class Finding:
    """Hold what a server answered to a question.

    :param setting: the emulator's setting that does the same, such as `cancel_finished="ok"`; empty where the emulator
        has none for this question.
    """

    answer: str
    setting: str = ""
    outcome: Literal["answered", "departs", "unsettled"] = "answered"
    exchanges: Sequence[Exchange] = ()


@dataclass(frozen=True)
class Question:
    """One entry of the contract.

    :param key: names it in code and on the page.
    :param text: what is relied on, or asked.
    """

    key: str
    text: str
    ask: Callable[[Server], Finding]
    kind: Literal["relies", "asks"]
    versions: tuple[str, ...] = ("v1", "v1beta")


#: Every question by its key, in the order of the page.
CONTRACT: dict[str, Question] = {}
_V1 = ("v1",)


def _add(question: Question) -> None:
    if question.key in CONTRACT:
        raise ValueError(f"there are two questions {question.key}")
    CONTRACT[question.key] = question


def relies(text: str, *, v1_only: bool = False) -> Callable[[Callable[[Server], None]], Callable[[Server], None]]:
    """Mark a function that checks what the package relies on; it returns nothing."""

    def mark(function: Callable[[Server], None]) -> Callable[[Server], None]:
        def ask(server: Server) -> Finding:
            function(server)
            return Finding(HOLDS)

        key = function.__name__
        _add(Question(key, text, ask, "relies", _V1) if v1_only else Question(key, text, ask, "relies"))
        return function

    return mark


def asks(text: str, *, v1_only: bool = False) -> Callable[[Callable[[Server], Finding]], Callable[[Server], Finding]]:
    """Mark a function that asks what is not known."""

    def mark(function: Callable[[Server], Finding]) -> Callable[[Server], Finding]:
        key = function.__name__
        _add(Question(key, text, function, "asks", _V1) if v1_only else Question(key, text, function, "asks"))
        return function

    return mark


def expect(condition: object, otherwise: str) -> None:
    """Hold a server to what is relied on.

    :raises DepartureError: saying what is otherwise.
    """
    if not condition:
        raise DepartureError(otherwise)


def ask(server: Server, question: Question) -> Finding:
    """Ask a server one question, and cancel what it has left going.

    :raises RefusedError: it does not let one ask.
    """
    server.exchanges = []
    try:
        found = question.ask(server)
        return Finding(found.answer, found.setting, found.outcome, tuple(server.exchanges))
    except RefusedError:
        raise
    except UnsettledError as reason:
        return Finding(f"not settled: {reason}", outcome="unsettled", exchanges=tuple(server.exchanges))
    except DepartureError as departure:
        text = f"departs: {departure}"
        return Finding(text, outcome="departs", exchanges=tuple(server.exchanges))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        # The server answered something that nobody thought of: the page shows it, and the rest is still asked.
        text = f"departs: its answers could not be read ({type(error).__name__})"
        return Finding(text, outcome="departs", exchanges=tuple(server.exchanges))
    except Exception as error:  # noqa: BLE001 - no answer, or no token, is no answer to the question
        text = f"not settled: no answer came ({type(error).__name__})"
        return Finding(text, outcome="unsettled", exchanges=tuple(server.exchanges))
    finally:
        server.tidy()


def ask_all(
    server: Server,
    keys: Iterable[str] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Finding]:
    """Ask a server everything that its version can be asked.

    :param keys: only these.
    :param say: is told each question and its answer.
    """
    findings = {}
    first = sorted(CONTRACT, key=lambda key: CONTRACT[key].kind != "relies")  # before large arguments make failures
    for key in first if keys is None else keys:
        if server.version in CONTRACT[key].versions:
            findings[key] = ask(server, CONTRACT[key])
            say(f"{server.version} {key}: {findings[key].answer}")
    return findings


def differences(one: dict[str, Finding], other: dict[str, Finding]) -> dict[str, tuple[str, str]]:
    """Return the questions to which two servers gave different answers, with both answers."""
    return {
        key: (one[key].answer, other[key].answer)
        for key in one
        if key in other and one[key].answer != other[key].answer
    }
