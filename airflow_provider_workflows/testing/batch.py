# SPDX-License-Identifier: Apache-2.0
"""Take a batch apart and put its answers together: `multipart/mixed` with an HTTP message in each part.

**Unconfirmed for the real service**: whether it takes batches; its discovery document names the path `batch`.
See https://developers.google.com/workspace/drive/api/guides/performance#batch-requests for the format.
"""

from __future__ import annotations

import email
import email.policy
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from airflow_provider_workflows.testing.errors import invalid

if TYPE_CHECKING:
    from aiohttp import web

LARGEST = 1000  # as google-api-python-client allows


@dataclass(frozen=True)
class Part:
    """One request of a batch; the names of its headers are as they are usually written."""

    content_id: str
    verb: str
    url: str
    headers: Mapping[str, str]
    body: bytes


def split(content_type: str, body: bytes) -> Iterator[Part]:
    """Take a batch apart.

    :raises ApiError: 400, it is no batch, or too large.
    """
    try:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
        parts = list(message.iter_parts()) if message.get_content_type() == "multipart/mixed" else []
    except (ValueError, LookupError, AttributeError, RecursionError):
        parts = []
    if not parts:
        raise invalid("A batch is multipart/mixed, with a request of type application/http in each part.")
    if len(parts) > LARGEST:
        raise invalid(f"A batch holds {LARGEST} requests at most.")
    for part in parts:
        payload = part.get_payload(decode=True)
        yield _request(part.get("Content-ID", ""), payload if isinstance(payload, bytes) else b"")


def _request(content_id: str, text: bytes) -> Part:
    line, _, rest = text.lstrip().replace(b"\r\n", b"\n").partition(b"\n")
    words = line.decode(errors="replace").split(" ")
    if len(words) not in (2, 3) or not words[1].startswith("/"):
        raise invalid("Each part of a batch begins with a line such as: GET /v1/projects/… HTTP/1.1")
    head, _, body = rest.partition(b"\n\n") if not rest.startswith(b"\n") else (b"", b"", rest[1:])
    lines = [each.partition(":") for each in head.decode(errors="replace").split("\n") if each]
    headers = {name.strip().title(): value.strip() for name, _, value in lines}
    return Part(content_id, words[0].upper(), words[1], headers, body.strip())


def join(answers: Iterable[tuple[str, web.Response]]) -> tuple[str, bytes]:
    """Put answers together; return the content type and the body."""
    boundary = f"batch_{uuid.uuid4().hex}"
    lines = []
    for content_id, response in answers:
        lines += [f"--{boundary}", "Content-Type: application/http"]
        if content_id:
            lines.append(f"Content-ID: {_answers_to(content_id)}")
        lines += ["", f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        body = response.body if isinstance(response.body, bytes) else b""
        lines += ["", body.decode()]
    lines += [f"--{boundary}--", ""]
    return f"multipart/mixed; boundary={boundary}", "\r\n".join(lines).encode()


def _answers_to(content_id: str) -> str:
    """Return `<response-id>` for `<id>`."""
    return f"<response-{content_id[1:]}" if content_id.startswith("<") else f"response-{content_id}"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
