# SPDX-License-Identifier: Apache-2.0
"""
Load a folder of DAG files the way Airflow does, with connections refused, and print what came of it as JSON.

Run as a program by test_examples.py: a process of its own shows what the files import by themselves.
"""

from __future__ import annotations

import json
import socket
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NoReturn

OURS = ("example_dags", "airflow_provider_workflows")


def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Stand in for ``socket.connect``."""
    raise AssertionError("a DAG file opened a connection")


def main(folder: str) -> None:
    """Load the folder and print the DAG ids, the import errors and the warnings that our files caused."""
    # Airflow 3.3 moved it.
    home = next(name for name in ("airflow.dag_processing.dagbag", "airflow.models.dagbag") if find_spec(name))
    dag_bag = import_module(home).DagBag
    socket.socket.connect = refuse  # type: ignore[method-assign]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bag = dag_bag(folder)
    ours = [str(warning.message) for warning in caught if any(name in warning.filename for name in OURS)]
    print(json.dumps({"dags": sorted(bag.dags), "errors": bag.import_errors, "warnings": ours}))


if __name__ == "__main__":
    main(sys.argv[1])
