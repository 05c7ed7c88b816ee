# SPDX-License-Identifier: Apache-2.0
"""What Airflow keeps of a sensor's earlier tries shortens its wait where it is right, and never spoils it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_workflows.compat import AirflowSensorTimeout
from airflow_provider_workflows.sensors.executions import WAITING_KEY, WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import AdvancingClock, StateStore, TaskRun

pytestmark = pytest.mark.usefixtures("connection")

Task = Callable[..., TaskRun]


class BrokenStore(StateStore):
    """Fail as a task state store does whose backend is away."""

    def __init__(self, *broken: str) -> None:
        super().__init__()
        self.broken = broken

    def get(self, key: str, default: Any = None) -> Any:
        """Fail, or return a value."""
        if "get" in self.broken:
            raise ConnectionError("the backend is away")
        return super().get(key, default)

    def set(self, key: str, value: Any, **options: Any) -> None:
        """Fail, or store a value."""
        if "set" in self.broken:
            raise ConnectionError("the backend is away")
        super().set(key, value, **options)


@pytest.fixture
def run(task: Task, emulator: Emulator) -> TaskRun:
    """Give a deferrable sensor of two minutes, and an execution that never ends."""
    return task(
        WorkflowExecutionSensor,
        workflow_id="forever",
        execution_id=emulator.start("forever"),
        timeout=120,
        poke_interval=10,
        deferrable=True,
    )


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(lambda: BrokenStore("get"), id="read-fails"),
        pytest.param(lambda: BrokenStore("set"), id="write-fails"),
        *(
            pytest.param(lambda since=since: StateStore({WAITING_KEY: {"generation": 0, **since}}), id=f"{since}")
            for since in ({}, {"since": None}, {"since": "now"}, {"since": float("nan")}, {"since": 1e30})
        ),
    ],
)
def test_a_sensor_outlives_its_state_store(
    run: TaskRun, clock: AdvancingClock, store: Callable[[], StateStore]
) -> None:
    """A store that fails, or holds what is no time, costs a deferrable sensor its earlier tries' time and no more."""
    began = clock.time()
    run.state_store = store()
    with pytest.raises(AirflowSensorTimeout):
        run.run()
    assert clock.time() - began == pytest.approx(120, abs=15)


def test_a_sensors_earlier_try_may_have_had_a_clock_ahead(run: TaskRun, clock: AdvancingClock) -> None:
    """A beginning that another worker's clock has put into the future counts as now, never as more time."""
    began = clock.time()
    run.state_store = StateStore({WAITING_KEY: {"since": began + 600, "generation": 0}})
    with pytest.raises(AirflowSensorTimeout):
        run.run()
    assert clock.time() - began == pytest.approx(120, abs=15)
