# SPDX-License-Identifier: Apache-2.0
"""
Say who we are: from a connection's fields to credentials, and from credentials to an HTTP session.

Promises that an identity that was asked for is the one that is used, or that there is an error, and that no text
made here holds a secret. May import ``core`` and ``exceptions``. Open ``fields`` first, the table of what a
connection can say; ``settings`` checks it, ``credentials`` loads it, ``sessions`` and, for an event loop,
``async_session`` and its ``tokens`` send with it, and ``token_errors`` says what is wrong when no token can be had.
"""
