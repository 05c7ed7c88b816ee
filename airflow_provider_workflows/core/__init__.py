# SPDX-License-Identifier: Apache-2.0
"""
Hold the pure values that everything else speaks of.

Promises no I/O and no library but the standard one, so that a DAG file can import it for next to nothing. May import
``exceptions``. Open ``execution`` first: the resource and the one table of its states.
"""
