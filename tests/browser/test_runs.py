# SPDX-License-Identifier: Apache-2.0
"""What a user sees of a run: its states, its log, its links, its XComs, and each way in which it can end."""

from __future__ import annotations

import pytest

from processes import wait_until
from tests.browser.conftest import PATIENCE, Site
from tests.browser.ui import Ui

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def id_of(execution: dict[str, str]) -> str:
    """Return an execution's id."""
    return execution["name"].rpartition("/")[2]


def test_a_run_from_the_ui(ui: Ui, site: Site) -> None:
    """A run that a user starts is seen deferred and then successful, and leaves a log, links and XComs."""
    ui.trigger("order_paid")
    run = site.newest_run("order_paid")
    site.wait(run, "deferred")
    ui.see_state(run, "deferred")
    site.wait(run, "success")
    ui.see_state(run, "success")
    execution_id = id_of(site.execution("charge-order"))

    ui.open_log(run)
    ui.picture_of_log("log-deferred")
    log = ui.log_text()
    for said in ("charge-order", execution_id[:8], "ACTIVE", "send-receipt", "SUCCEEDED"):
        assert said in log, said

    assert f"charge-order/execution/{execution_id}" in ui.link(run, "Workflow execution")
    assert "/charge-order/executions?" in ui.link(run, "Workflow details")
    ui.picture_of_links("links")

    xcoms = ui.xcoms(run)
    ui.picture_of_xcoms("xcoms")
    assert {"execution_id", "execution_name", "execution_url", "result", "return_value"} <= set(xcoms)
    assert execution_id in xcoms["execution_id"]
    assert "R-2042" in xcoms["result"]
    assert "SUCCEEDED" in xcoms["return_value"]


def test_a_step_fails(ui: Ui, site: Site) -> None:
    """The log of a task whose workflow failed tells the state, the step and what the workflow said."""
    run = site.runs["order_declined"]
    site.wait(run, "failed")
    ui.see_state(run, "failed")
    ui.open_log(run)
    ui.picture_of_log("log-failed-step")
    log = ui.log_text()
    for said in ("charge-declined", "FAILED", "charge-card", "the card was declined"):
        assert said in log, said


def test_a_time_out(ui: Ui, site: Site) -> None:
    """The log of a task that was late tells its last state, and that the execution was cancelled."""
    run = site.runs["order_late"]
    site.wait(run, "failed")
    ui.open_log(run)
    ui.picture_of_log("log-timeout")
    log = ui.log_text()
    for said in ("charge-on-approval", "wait-for-approval", "CANCELLED", "ExecutionTimeout"):
        assert said in log, said


def test_a_kill(ui: Ui, site: Site) -> None:
    """A deferred task that is marked as failed in the UI has its execution cancelled, and its log says so."""
    run = site.runs["order_stopped"]
    site.wait(run, "deferred")
    ui.mark_failed(run)
    site.wait(run, "failed")

    def execution() -> dict[str, str]:
        every = site.emulator.executions("charge-on-approval")
        return next(each for each in every if "order_stopped" in each["argument"])

    assert wait_until(lambda: execution()["state"] == "CANCELLED", PATIENCE)
    said = f"CANCELLED: charge-on-approval {id_of(execution())[:8]}"

    def told() -> bool:
        ui.open_log(run)
        return said in ui.log_text()

    assert wait_until(told, PATIENCE)
    ui.open_log(run)
    ui.picture_of_log("log-kill")


def test_a_retry_that_attached(ui: Ui, site: Site) -> None:
    """A retry after the loss of a machine goes on with the execution of the first try, and its log says so."""
    run = site.runs["order_retried"]
    site.wait(run, "deferred", tries=2)
    execution = site.execution("ship-order")
    site.emulator.set_state(id_of(execution), "SUCCEEDED", result={"parcel": "P-7"})
    site.wait(run, "success", tries=2)
    assert [each["state"] for each in site.emulator.executions("ship-order")] == ["SUCCEEDED"]
    ui.open_log(run)
    ui.picture_of_log("log-retry")
    log = ui.log_text()
    for said in ("ship-order", id_of(execution)[:8], "earlier try", "hand-over", "SUCCEEDED"):
        assert said in log, said
