# SPDX-License-Identifier: Apache-2.0
"""A wait that cannot look says so, and goes on saying so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_workflows.api.outage import Outage
from airflow_provider_workflows.compat import AirflowSensorTimeout
from airflow_provider_workflows.exceptions import ExecutionTimeout
from airflow_provider_workflows.hooks.executions import WorkflowExecutionsHook
from airflow_provider_workflows.sensors.executions import WorkflowExecutionSensor
from airflow_provider_workflows.testing import Emulator
from tests.harness import TaskRun
from tests.log_lines import LogLine


def test_an_outage_is_worth_fewer_and_fewer_words() -> None:
    """At its beginning, after a minute, and then each time it has lasted twice as long; the next one begins anew."""
    outage = Outage()
    said = [(now, lasted) for now in range(0, 3600, 10) if (lasted := outage.failed(float(now))) is not None]
    assert said == [(0, 0.0), (60, 60.0), (120, 120.0), (240, 240.0), (480, 480.0), (960, 960.0), (1920, 1920.0)]
    outage.is_over()
    assert outage.failed(5000.0) == 0.0
    assert outage.failed(5010.0) is None


def said(logs: list[LogLine]) -> list[str]:
    """Return how long the warnings say that it has been so."""
    texts = [line.text for line in logs if line.level == "warning" and "Not seen" in line.text]
    assert texts[0].startswith("Not seen: ")
    return [text.partition(" for ")[2].partition(": ")[0] for text in texts[1:]]


@pytest.mark.usefixtures("connection")
def test_a_wait_in_a_worker_says_for_how_long_it_could_not_look(
    hook: WorkflowExecutionsHook, emulator: Emulator, logs: list[LogLine]
) -> None:
    """It warns at once and then less and less often, each time with how long it has been so."""
    execution_id = emulator.start("echo")
    emulator.fail("get", "drop_before", times=None)
    with pytest.raises(ExecutionTimeout):
        hook.wait_for_execution("echo", execution_id=execution_id, timeout=1500.0)
    first, *others = (each.split() for each in said(logs))
    assert first[1] == "seconds"
    assert [unit for _, unit in others] in (["minutes"] * 3, ["minutes"] * 4)  # the pauses between looks are drawn
    assert [int(number) for number, _ in others] == sorted({int(number) for number, _ in others})


@pytest.mark.usefixtures("connection")
def test_a_poking_sensor_says_for_how_long_it_could_not_look(
    emulator: Emulator, task: Callable[..., TaskRun], logs: list[LogLine]
) -> None:
    """It does so, too."""
    execution_id = emulator.start("forever")
    emulator.fail("get", "drop_before", times=None)
    run = task(
        WorkflowExecutionSensor, workflow_id="forever", execution_id=execution_id, poke_interval=20.0, timeout=900.0
    )
    with pytest.raises(AirflowSensorTimeout):
        run.run()
    assert said(logs) == ["60 seconds", "2 minutes", "4 minutes", "8 minutes"]
