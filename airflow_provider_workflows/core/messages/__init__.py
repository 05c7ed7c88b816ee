# SPDX-License-Identifier: Apache-2.0
"""
Make every text about an execution: what is logged, and what exceptions say.

**The news first.** A log view shows some ninety characters of a line. So a text begins with the state, the step or
what became of it, then names the execution by its workflow and the first eight characters of its id, and the reason
follows. The whole name and the console's address stand in the one line after the create, or where a wait begins
(``life.whole``), and in the exceptions' ``execution_name``.

Pure: values in, one line out. ``tests/unit/core/messages.md`` shows each of them.

* ``life``: of an execution that a task creates, waits for, gets
* ``retries``: what a try makes of what earlier ones left, and of creates without an answer
* ``cancels``: kills and cancels
* ``looks``: looks that fail, and the poller
* ``failures``: what exceptions say
* ``setup``: the connection, its credentials, arguments that are ignored
"""
