# SPDX-License-Identifier: Apache-2.0
"""Say what a user does with Airflow's web UI, whatever its generation; `ui3.py` and `ui2.py` know where to click."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow_cluster import AirflowCluster

TYPE_NAME = "Google Cloud Workflows"
TASK = "charge"
MARGIN = 8  # pixels around what is shown in a picture
COLOURS = 256  # of a picture, which makes it half as large

# A style may be written in many ways, `oklch(0.47 0.2 149)` for one; a canvas knows them all.
RGB = """(element, what) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = getComputedStyle(element)[what];
    canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
}"""


@dataclass(frozen=True)
class Run:
    """Name a DAG run, whose only task is `TASK`."""

    dag_id: str
    run_id: str

    @property
    def quoted(self) -> str:
        """Return the run's id as a part of an address."""
        return quote(self.run_id, safe="")


@dataclass(frozen=True)
class Verdict:
    """Hold what the Test button says, and the colour in which: red, green, or another one."""

    text: str
    colour: str


def colour_of(element: Any) -> str:
    """Return how an element is coloured, by its text or else its background: red, green, or neither."""
    for what in ("color", "backgroundColor"):
        red, green, blue, _opacity = element.evaluate(RGB, what)
        if red > 2 * max(green, blue):
            return "red"
        if green > 1.5 * max(red, blue):
            return "green"
    return "neither"


class Ui(ABC):
    """
    Use one web UI in one page of a browser.

    :param page: playwright's page
    :param cluster: the Airflow
    :param pictures: folder for pictures
    """

    generation: str

    def __init__(self, page: Any, cluster: AirflowCluster, pictures: Path) -> None:
        self.page = page
        self.cluster = cluster
        self.pictures = pictures

    def goto(self, path: str) -> None:
        """Open an address below the web UI's."""
        self.page.goto(f"{self.cluster.base_url}{path}")

    def picture(self, name: str, first: Any, last: Any | None = None) -> None:
        """
        Take a picture of what stands on the page from one element to another one, default of one element.

        Nothing of the UI that merely stands above or beside it, such as a menu, gets in, and no blank rest of a page.
        """
        from PIL import Image  # type: ignore[import-not-found, unused-ignore]

        self.page.mouse.move(0, 0)
        first.scroll_into_view_if_needed()
        boxes = [element.bounding_box() for element in (first, last or first)]
        size = self.page.viewport_size
        left = max(0, min(box["x"] for box in boxes) - MARGIN)
        top = max(0, min(box["y"] for box in boxes) - MARGIN)
        right = min(size["width"], max(box["x"] + box["width"] for box in boxes) + MARGIN)
        bottom = min(size["height"], max(box["y"] + box["height"] for box in boxes) + MARGIN)
        clip = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        self.pictures.mkdir(parents=True, exist_ok=True)
        small = Image.open(BytesIO(self.page.screenshot(clip=clip, animations="disabled"))).convert("RGB")
        small = small.quantize(COLOURS, dither=Image.Dither.NONE)
        small.save(self.pictures / f"{self.generation}-{name}.png", optimize=True)

    # --- the form of a connection -------------------------------------------------------------------------------------

    @abstractmethod
    def new_connection(self, connection_id: str) -> None:
        """Open the form for a new connection of our type."""

    @abstractmethod
    def edit_connection(self, connection_id: str) -> None:
        """Open the form of a stored connection."""

    @abstractmethod
    def field(self, name: str) -> Any:
        """Return the input of one of our fields in the form that is open."""

    @abstractmethod
    def tick(self, name: str) -> None:
        """Tick one of our fields."""

    @abstractmethod
    def save(self) -> None:
        """Save the form."""

    @abstractmethod
    def picture_of_form(self, name: str) -> None:
        """Take a picture of the form."""

    @abstractmethod
    def test_connection(self, connection_id: str, picture: str) -> Verdict:
        """Press the Test button of a stored connection, and take a picture of what it says."""

    # --- runs ---------------------------------------------------------------------------------------------------------

    @abstractmethod
    def trigger(self, dag_id: str) -> None:
        """Start a run of a DAG, which is not paused."""

    @abstractmethod
    def open_log(self, run: Run) -> None:
        """Open the log of the last try of a run's task."""

    @abstractmethod
    def picture_of_log(self, name: str) -> None:
        """Take a picture of the log that is open."""

    @abstractmethod
    def log_text(self) -> str:
        """Return the whole text of the log that is open."""

    @abstractmethod
    def see_state(self, run: Run, state: str) -> None:
        """Open the page of a run's task, and wait until it shows a state."""

    @abstractmethod
    def link(self, run: Run, name: str) -> str:
        """Return where one of the task's extra links leads to."""

    @abstractmethod
    def picture_of_links(self, name: str) -> None:
        """Take a picture of the page that :meth:`link` has opened."""

    @abstractmethod
    def xcoms(self, run: Run) -> dict[str, str]:
        """Open the XComs of a run's task; return key -> the text that the UI shows."""

    @abstractmethod
    def picture_of_xcoms(self, name: str) -> None:
        """Take a picture of the XComs that are open."""

    @abstractmethod
    def mark_failed(self, run: Run) -> None:
        """Mark a run's task as failed."""
