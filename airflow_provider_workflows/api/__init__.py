# SPDX-License-Identifier: Apache-2.0
"""
Talk to the Workflow Executions API: build a request, send it, decode the answer or say what went wrong.

Promises one HTTP request for each attempt and one exception class for each kind of trouble; nothing here knows a
task or a connection. May import ``auth``, ``core`` and ``exceptions``. Open ``client`` first: its calls are built
by ``requests`` (the only file that knows google-api-python-client), sent by ``transport``, repeated by ``retrying``
and judged by ``errors``; ``looking`` and ``cancelling`` are what a single wait and a single cancel make of them.
"""
