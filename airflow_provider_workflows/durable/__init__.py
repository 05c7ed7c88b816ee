# SPDX-License-Identifier: Apache-2.0
"""
Start one execution for each task instance, whatever breaks: look before creating, and attach instead of repeating.

Promises that a create is written down and labelled before it is sent, and that nothing is sent again before it is
known what became of it. May import ``api``, ``core`` and ``exceptions``. Open ``create`` first, which has the whole
course; ``earlier`` looks back at earlier tries, ``search`` finds by label, ``record`` is what is remembered from try to
try, ``recording`` writes it, ``identity`` names the task in labels, ``choice`` decides among what was found, ``later``
notices a later try, ``leaving`` ends a try that is killed or taken over, ``unclear`` says that nobody can tell.
"""
