# SPDX-License-Identifier: Apache-2.0
"""
List every name that users of this package can rely on, one a line.

``python -m tests.public_names`` writes the list into ``tests/unit/public_names.txt``, where a test holds the code to
it. Classes have their bases of ours, their parameters, the attributes and methods that are ours, and exceptions what
an instance carries; a parameter's ``=`` says that it may be left out. Types are held by ``tests/typing/public_api.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any, is_typeddict

from _pytest.fixtures import getfixturemarker

from airflow_provider_workflows.core.execution import Execution
from airflow_provider_workflows.provider_info import PACKAGE_NAME, get_provider_info

PACKAGE = "airflow_provider_workflows"
LIST = Path(__file__).parent / "unit" / "public_names.txt"
PLUGIN = f"{PACKAGE}.testing.plugin"
#: Of an operator, sensor or trigger: what a DAG or Airflow knows by name. The rest is how it is made.
OF_A_TASK = frozenset(
    {"execute", "execute_complete", "on_kill", "operator_extra_links", "serialize", "template_fields"}
)
#: What the package itself uses of its hooks; it changes without notice.
OF_THE_PACKAGE = frozenset(
    {"apart", "client", "create", "execution", "get_client", "get_settings", "settings", "wait_until_ended", "workflow"}
)


def public_names() -> Iterator[str]:
    """Yield the lines of the list."""
    info = get_provider_info()
    for name in (PACKAGE, *_modules(info), f"{PACKAGE}.exceptions", f"{PACKAGE}.testing"):
        module = import_module(name)
        for each in _exported(module):
            yield from _described(f"{name}.{each}", getattr(module, each))
    yield from _described(f"{Execution.__module__}.Execution", Execution)
    yield from (f"fixture {name}" for name in _fixtures(import_module(PLUGIN)))
    for connection in info["connection-types"]:
        yield f"connection type {connection['connection-type']} = {connection['hook-name']}"
        yield from (f"connection extra {name}" for name in sorted(connection["conn-fields"]))
    for section, described in info["config"].items():
        for name, option in sorted(described["options"].items()):
            yield f"option [{section}] {name}: {option['type']} = {option['default']}"
    for point in sorted(distribution(PACKAGE_NAME).entry_points):
        yield f"entry point {point.group}: {point.name} = {point.value}"


def _modules(info: dict[str, Any]) -> list[str]:
    """Return the modules that Airflow is told of."""
    roles = ("hooks", "operators", "sensors", "triggers")
    named = [name for role in roles for each in info[role] for name in each["python-modules"]]
    return [*named, *sorted({name.rpartition(".")[0] for name in info["extra-links"]})]


def _exported(module: ModuleType) -> list[str]:
    """Return what a module says that it has for others: by ``__all__``, else what is made in it."""
    declared = getattr(module, "__all__", None)
    made_here = (
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value) and not name.startswith("_")
    )
    return sorted(made_here if declared is None else declared)


def _described(name: str, value: Any) -> Iterator[str]:
    if is_typeddict(value):
        yield f"{name}: {', '.join(sorted(value.__annotations__))}"
    elif inspect.isclass(value):
        yield from _class(name, value)
    elif callable(value):
        yield f"{name}{_parameters(value)}"
    else:
        yield f"{name} = {value!r}"


def _class(name: str, cls: type) -> Iterator[str]:
    ours = [base for base in cls.__mro__ if base.__module__.startswith(PACKAGE)]
    bases = [base.__name__ for base in ours[1:] if base.__module__ == cls.__module__ and base.__name__[0] != "_"]
    # What Python or Airflow makes of a class without an __init__ differs by version.
    inits = [
        vars(base)["__init__"] for base in ours if "__init__" in vars(base) and not getattr(base, "_is_protocol", False)
    ]
    yield f"{name}{_shown(_all_parameters(inits)) if inits else ''}{f': {bases[0]}' if bases else ''}"
    members = {each for base in ours for each in vars(base) if not each.startswith("_")}
    for each in sorted(_held(name.split(".")[1], members) - vars(cls).get("__dataclass_fields__", {}).keys()):
        yield from _member(f"{name}.{each}", inspect.getattr_static(cls, each))
    if issubclass(cls, Exception):
        yield from (f"{name}().{each}" for each in sorted(vars(cls("message"))))


def _held(role: str, members: set[str]) -> set[str]:
    if role in {"operators", "sensors", "triggers"}:
        return members & OF_A_TASK
    return members - OF_THE_PACKAGE if role == "hooks" else members


def _all_parameters(inits: list[Any]) -> Iterator[inspect.Parameter]:
    """Yield the parameters of an ``__init__`` but `self`, with those of the next one where it hands ``**kwargs`` on."""
    given: dict[str, inspect.Parameter] = {}
    for init in inits:
        parameters = list(inspect.signature(init).parameters.values())[1:]
        for each in parameters:
            given.setdefault(each.name, each)
        if not parameters or parameters[-1].kind is not inspect.Parameter.VAR_KEYWORD:
            given.pop("kwargs", None)
            break
    yield from sorted(given.values(), key=lambda each: each.kind)


def _member(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, classmethod | staticmethod):
        value = value.__func__
    if inspect.isfunction(value):
        yield f"{name}{_parameters(value)}"
    elif isinstance(value, str | tuple):
        yield f"{name} = {value!r}"
    else:
        yield name


def _parameters(value: Any) -> str:
    return _shown(each for each in inspect.signature(value).parameters.values() if each.name not in {"self", "cls"})


def _shown(parameters: Iterable[inspect.Parameter]) -> str:
    """Return parameters as they are written, with ``=`` alone for a default."""
    shown: list[str] = []
    for each in parameters:
        if each.kind is each.KEYWORD_ONLY and not any(name.startswith("*") for name in shown):
            shown.append("*")
        stars = "*" * (each.kind is each.VAR_POSITIONAL) + "**" * (each.kind is each.VAR_KEYWORD)
        shown.append(f"{stars}{each.name}{'' if each.default is each.empty else '='}")
    return f"({', '.join(shown)})"


def _fixtures(module: ModuleType) -> list[str]:
    return sorted(name for name, value in vars(module).items() if getfixturemarker(value) is not None)


if __name__ == "__main__":
    LIST.write_text("".join(f"{line}\n" for line in public_names()), encoding="utf-8")
