# SPDX-License-Identifier: Apache-2.0
"""Know where to click in the web UI of Airflow 2.11."""

from __future__ import annotations

import re
from typing import Any

from tests.browser.ui import TASK, TYPE_NAME, Run, Ui, Verdict, colour_of


class Airflow2Ui(Ui):
    """Use the web UI of Airflow 2.11."""

    generation = "airflow2"

    def new_connection(self, connection_id: str) -> None:
        """Open the form for a new connection of our type."""
        self.goto("/connection/add")
        self.page.locator("#conn_id").fill(connection_id)
        self.page.locator("#conn_type + .select2-container").click()
        self.page.locator(".select2-search__field").fill(TYPE_NAME[:17])
        self.page.locator(".select2-results__option", has_text=TYPE_NAME).click()

    def edit_connection(self, connection_id: str) -> None:
        """Open the form of a stored connection."""
        self.goto("/connection/list/")
        row = self.page.get_by_role("row").filter(has_text=connection_id)
        row.locator("a[href*='/connection/edit/']").click()

    def field(self, name: str) -> Any:
        """Return the input of one of our fields in the form that is open."""
        return self.page.locator(f"#extra__google_cloud_workflows__{name}")

    def tick(self, name: str) -> None:
        """Tick one of our fields."""
        self.field(name).check()

    def save(self) -> None:
        """Press the button and wait until the form is left."""
        self.page.get_by_role("button", name="Save").click()
        self.page.wait_for_url(lambda url: not re.search("/connection/(add|edit)", url))

    def picture_of_form(self, name: str) -> None:
        """Take a picture of the fields of the type, unscrolled: the menu would cover what is scrolled."""
        self.page.set_viewport_size({"width": 1400, "height": 2300})
        self.picture(name, self.field("project").locator("xpath=ancestor::tr"), self.field("timeout"))

    def test_connection(self, connection_id: str, picture: str) -> Verdict:
        """Press the button of the form: the message comes where the form's warning was."""
        self.edit_connection(connection_id)
        alert = self.page.locator(".alert").first
        before = alert.inner_text()
        self.page.get_by_role("button", name="Test").click()
        self.page.wait_for_function(
            "([element, before]) => element.innerText && element.innerText !== before",
            arg=[alert.element_handle(), before],
        )
        self.picture(picture, alert, self.page.locator("#conn_type + .select2-container"))
        return Verdict(alert.inner_text(), colour_of(alert))

    def trigger(self, dag_id: str) -> None:
        """Start a run of a DAG."""
        self.goto(f"/dags/{dag_id}/grid")
        self.page.get_by_label("Trigger DAG").click()
        self.page.wait_for_url("**dag_run_id=**")

    def _open(self, run: Run, tab: str) -> None:
        self.goto(f"/dags/{run.dag_id}/grid?dag_run_id={run.quoted}&task_id={TASK}&tab={tab}")

    @property
    def _tabs(self) -> Any:
        return self.page.get_by_role("tablist")

    @property
    def _log(self) -> Any:
        return self.page.locator("code", has_text="Log message source details")

    def open_log(self, run: Run) -> None:
        """Open the log of the last try of a run's task."""
        self._open(run, "logs")
        self._log.wait_for()

    def picture_of_log(self, name: str) -> None:
        """Take a picture of the log as it opens."""
        self.picture(name, self._tabs, self._log)

    def log_text(self) -> str:
        """Return the text of the log."""
        return str(self._log.inner_text())

    def state(self, run: Run) -> str:
        """Return the state in the task's details."""
        self._open(run, "details")
        return str(self.page.get_by_role("row").filter(has_text="Status").inner_text()).split()[-1]

    def link(self, run: Run, name: str) -> str:
        """Return where one of the task's extra links leads to."""
        self._open(run, "details")
        link = self.page.locator("a", has_text=name)
        link.wait_for()
        return str(link.get_attribute("href"))

    def picture_of_links(self, name: str) -> None:
        """Take a picture of the task's details with the links."""
        self.picture(name, self._tabs, self.page.get_by_role("row").filter(has_text="Operator"))

    def xcoms(self, run: Run) -> dict[str, str]:
        """Open the XComs of a run's task."""
        self._open(run, "xcom")
        self._row("return_value").get_by_text("SUCCEEDED").wait_for()
        rows = self.page.get_by_role("row").filter(has=self.page.locator("td"))
        return {row.locator("td").first.inner_text(): row.inner_text() for row in rows.all()}

    def _row(self, key: str) -> Any:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=key, exact=True))

    def picture_of_xcoms(self, name: str) -> None:
        """Take a picture of the XComs down to the result."""
        self.picture(name, self._tabs, self._row("result"))

    def mark_failed(self, run: Run) -> None:
        """Mark a run's task as failed."""
        self._open(run, "details")
        self.page.locator("button", has_text="Mark state as").click()
        self.page.locator("[role=menuitem]:visible", has_text="failed").click()
        button = self.page.get_by_role("button", name="Mark as failed")
        button.click()
        button.wait_for(state="hidden")
