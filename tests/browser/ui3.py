# SPDX-License-Identifier: Apache-2.0
"""Know where to click in the web UI of Airflow 3."""

from __future__ import annotations

from typing import Any

from tests.browser.ui import TASK, TYPE_NAME, Run, Ui, Verdict, colour_of


class Airflow3Ui(Ui):
    """Use the web UI of Airflow 3."""

    generation = "airflow3"

    @property
    def _dialog(self) -> Any:
        return self.page.get_by_role("dialog")

    def new_connection(self, connection_id: str) -> None:
        """Open the form for a new connection of our type, with the fields of the type, which it shows folded."""
        self.goto("/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        self._dialog.locator("input[name='connection_id']").fill(connection_id)
        self._dialog.get_by_role("combobox").first.click()
        self.page.keyboard.type(TYPE_NAME[:17])
        self.page.get_by_role("option", name=TYPE_NAME).click()
        self._unfold()

    def edit_connection(self, connection_id: str) -> None:
        """Open the form of a stored connection."""
        self._press(connection_id, "Edit Connection")
        self._unfold()

    def _unfold(self) -> None:
        self._dialog.get_by_role("button", name="Extra Fields", exact=True).click()

    def _press(self, connection_id: str, button: str) -> None:
        self.goto("/connections")
        row = self.page.get_by_role("row").filter(has_text=connection_id)
        row.get_by_role("button", name=button).click()

    def field(self, name: str) -> Any:
        """Return the input of one of our fields in the form that is open."""
        return self._dialog.locator(f"#element_{name}, input[name='element_{name}']").first

    def tick(self, name: str) -> None:
        """Tick one of our fields; the switch that is shown covers the input."""
        self.field(name).evaluate("element => element.click()")

    def save(self) -> None:
        """Press the button and wait until the form is gone."""
        self._dialog.get_by_role("button", name="Save").click()
        self._dialog.wait_for(state="hidden")

    def picture_of_form(self, name: str) -> None:
        """Take a picture of the fields of the type."""
        self.picture(name, self._dialog.get_by_role("button", name="Extra Fields", exact=True), self.field("timeout"))

    def test_connection(self, connection_id: str, picture: str) -> Verdict:
        """Press the button in the list; a message that comes and goes says how it went."""
        self.page.set_viewport_size({"width": 1400, "height": 700})  # the message comes at the very bottom
        self._press(connection_id, "Test Connection")
        toast = self.page.locator("[data-scope=toast][data-part=root]").last
        toast.wait_for()
        verdict = Verdict(toast.inner_text(), colour_of(toast))
        self.picture(picture, self.page.get_by_role("row").first, toast)
        return verdict

    def trigger(self, dag_id: str) -> None:
        """Start a run of a DAG."""
        self.goto(f"/dags/{dag_id}")
        self.page.get_by_test_id("trigger-dag-button").click()
        self._dialog.get_by_role("button", name="Trigger", exact=True).click()
        self._dialog.wait_for(state="hidden")

    def _open(self, run: Run, tab: str = "") -> None:
        self.goto(f"/dags/{run.dag_id}/runs/{run.quoted}/tasks/{TASK}{tab}")

    @property
    def _header(self) -> Any:
        return self.page.get_by_test_id("header-card")

    @property
    def _log(self) -> Any:
        return self.page.get_by_test_id("virtualized-list")

    def open_log(self, run: Run) -> None:
        """Open the log of the last try of a run's task."""
        self._open(run)
        self._log.get_by_test_id("summary-Pre Execute").first.wait_for()

    def picture_of_log(self, name: str) -> None:
        """Take a picture of the log as it opens: with what Airflow says before and after a task's code folded."""
        self.picture(name, self._header, self._log)

    def log_text(self) -> str:
        """Return the text of the log; what is folded is not in the page before it is unfolded."""
        self.page.keyboard.press("e")
        self._log.get_by_test_id("group-header-0").filter(has_text="▼").wait_for()
        return str(self._log.inner_text())

    def state(self, run: Run) -> str:
        """Return the state in the head of the task's page."""
        self._open(run)
        return str(self._header.get_by_test_id("state-badge").inner_text()).strip().lower()

    def link(self, run: Run, name: str) -> str:
        """Return where one of the task's extra links leads to."""
        self._open(run, "/details")
        return str(self.page.locator("a", has_text=name).get_attribute("href"))

    def picture_of_links(self, name: str) -> None:
        """Take a picture of the task's details with the links."""
        self.picture(name, self._header, self.page.get_by_role("row").nth(2))

    def xcoms(self, run: Run) -> dict[str, str]:
        """Open the XComs of a run's task, with objects unfolded."""
        self._open(run, "/xcom")
        self.page.get_by_role("button", name="Expand all extra JSON").click()
        self._row("return_value").get_by_text("SUCCEEDED").wait_for()
        return {row.locator("td").first.inner_text(): row.inner_text() for row in self.page.locator("tbody tr").all()}

    def _row(self, key: str) -> Any:
        return self.page.locator("tbody tr").filter(has=self.page.get_by_text(key, exact=True))

    def picture_of_xcoms(self, name: str) -> None:
        """Take a picture of the XComs down to the result."""
        self.picture(name, self._header, self._row("result"))

    def mark_failed(self, run: Run) -> None:
        """Mark a run's task as failed."""
        self._open(run)
        self.page.get_by_role("button", name="Mark Task Instance as...").click()
        self.page.get_by_role("menuitem").filter(has_text="Failed").click()
        self._dialog.get_by_role("button", name="Confirm").click()
        self._dialog.wait_for(state="hidden")
