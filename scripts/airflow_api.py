# SPDX-License-Identifier: Apache-2.0
"""Talk to the REST API of a local Airflow 3, with the standard library only."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

PAGE = 100  # the largest page that Airflow's default configuration allows


class AirflowApiError(Exception):
    """Airflow answered a request with an error status."""

    def __init__(self, method: str, path: str, status: int, text: str) -> None:
        super().__init__(f"{method} {path}: {status} {text}")
        self.status = status


class AirflowApi:
    """
    Send requests to one Airflow as the administrator that the simple auth manager gives to everybody.

    :param base_url: such as ``http://127.0.0.1:8080``
    :param timeout: seconds that one request may take
    """

    prefix = "/api/v2"
    health = "/monitor/health"

    def __init__(self, base_url: str, timeout: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._token = ""
        # A proxy of the environment must not get requests for this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """
        Send one request and return the decoded answer, None when it is empty.

        :param path: below the API's prefix, such as ``/dags``
        :param body: JSON value of the request's body, None for no body
        :raises AirflowApiError: when the status says that it failed
        :raises OSError: when nothing answers
        """
        if not self._token:
            self._token = self._new_token()
        try:
            return self._send(method, f"{self.prefix}{path}", body)
        except AirflowApiError as error:
            if error.status != 401:  # unauthorized: the token is too old
                raise
            self._token = ""
            return self.request(method, path, body)

    def _new_token(self) -> str:
        return str(self._send("GET", "/auth/token", None)["access_token"])

    def _send(self, method: str, path: str, body: Any) -> Any:
        headers = {"content-type": "application/json"}
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            raise AirflowApiError(method, path, error.code, error.read().decode(errors="replace")) from error
        return json.loads(content) if content else None

    def pages(self, path: str, key: str) -> list[dict[str, Any]]:
        """Return the items of a collection from all its pages, in the collection's order."""
        items: list[dict[str, Any]] = []
        joined = f"{path}{'&' if '?' in path else '?'}"
        while True:
            page = self.request("GET", joined + urlencode({"limit": PAGE, "offset": len(items)}))
            items += page[key]
            if not page[key] or len(items) >= page["total_entries"]:
                return items


def run_path(dag_id: str, run_id: str) -> str:
    """Return the path of a DAG run."""
    return f"/dags/{quote(dag_id, safe='')}/dagRuns/{quote(run_id, safe='')}"
