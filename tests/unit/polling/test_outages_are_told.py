# SPDX-License-Identifier: Apache-2.0
"""A wait that cannot look says so in its task's log, again and again, and for how long it has been so."""

from __future__ import annotations

import pytest

from tests.polling_world import Lines, World, play

HOUR = 3600.0


def spans(lines: Lines) -> list[str]:
    """Return for how long nobody could look, of each line that says so."""
    return [text.partition(" for ")[2].partition(": ")[0] for text in lines.texts if "Not seen for" in text]


@pytest.mark.parametrize("trouble", ["the service", "the connection"])
def test_a_wait_that_can_never_look_says_so(trouble: str) -> None:
    """An outage of hours has a line at first, and more and more seldom ones with its length; then it waits on."""

    async def scene(world: World) -> None:
        lines = Lines()
        (execution,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        if trouble == "the service":
            world.emulator.fail("*", "drop_before", times=None)
        else:
            world.is_lasting = lambda _: False
            world.open_errors.extend([OSError("the host is not known")] * 1000)
        (wait,) = world.start([execution], log=lines)
        await world.pass_time(3 * HOUR)
        told = spans(lines)
        assert 6 <= len(told) <= 9
        assert told[-1].endswith(("minutes", "hours"))
        assert all(f"echo {str(execution)[:8]}" in text for text in lines.texts)
        world.open_errors.clear()
        world.emulator.clear_faults()
        world.end([execution])
        assert await wait == "SUCCEEDED"

    play(scene)


def test_a_short_outage_has_one_line() -> None:
    """What passes within a minute is said once; the next outage is news again."""

    async def scene(world: World) -> None:
        lines = Lines()
        (execution,) = world.emulator.add_executions("echo", 1, "ACTIVE")
        (wait,) = world.start([execution], log=lines)
        for _ in range(2):
            await world.pass_time(60)
            world.emulator.fail("*", "drop_before", times=None)
            await world.pass_time(40)
            world.emulator.clear_faults()
        await world.pass_time(60)
        assert spans(lines) == []
        assert len([text for text in lines.texts if "looking again in" in text]) == 2
        world.end([execution])
        assert await wait == "SUCCEEDED"

    play(scene)
