# SPDX-License-Identifier: Apache-2.0
"""Read the configuration that says how tasks wait, all at once and before anything is started."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_workflows.compat import conf
from airflow_provider_workflows.core.seconds import seconds_of

#: Seconds for which a deferrable task waits in its worker before it defers: a worker slot is cheaper than the two
#: processes and the turn of the scheduler that a deferral costs, as long as the wait is short.
DEFER_AFTER = 5.0
#: Seconds from a deferral to the first event at the least. The scheduler must have noticed by then that the process
#: ended which deferred the task, or Airflow fails it when it is queued again. Loops of loaded schedulers take 5 to
#: 30 s; more would make executions that end in the meantime later than that is worth, with retries that attach.
RESUME_AFTER = 15.0


@dataclass(frozen=True)
class WaitingOptions:
    """
    Hold the section ``[workflows]`` as far as tasks read it; the options' names are its own.

    :raises ValueError: naming the option.
    """

    defer_after: float = DEFER_AFTER
    resume_after: float = RESUME_AFTER
    end_from_trigger: bool = False

    def __post_init__(self) -> None:
        """Check the spans."""
        for name in ("defer_after", "resume_after"):
            seconds_of(getattr(self, name), f"[workflows] {name}", zero=True)

    @classmethod
    def read(cls) -> WaitingOptions:
        """Read them, and check what a triggerer on this configuration would read."""
        from airflow_provider_workflows.hooks.pollers import check_limits

        check_limits()
        return cls(
            conf.getfloat("workflows", "defer_after", fallback=DEFER_AFTER),
            conf.getfloat("workflows", "resume_after", fallback=RESUME_AFTER),
            conf.getboolean("workflows", "end_from_trigger", fallback=False),
        )
