# SPDX-License-Identifier: Apache-2.0
"""Creating executions and reading them, as a client of either version sees it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_workflows.testing import Emulator, ManualClock

if TYPE_CHECKING:
    from tests.unit.testing.conftest import Api

PARENT = "projects/test-project/locations/us-central1/workflows/sleep"


def violations(answer: Any) -> list[dict[str, str]]:
    """Check that an answer is a 400 INVALID_ARGUMENT and return its field violations."""
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    (detail,) = error["details"]
    assert detail["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    return list(detail["fieldViolations"])


def test_create_answers_an_active_execution_with_an_empty_status(api: Api) -> None:
    """The answer to create says ACTIVE with `status: {}`, whatever the workflow does at once."""
    execution = api.create("echo", {"argument": '{"input":  15 }'}).json()
    name = execution["name"]
    assert re.fullmatch(r"projects/123456789012/locations/us-central1/workflows/echo/executions/[0-9a-f-]{36}", name)
    assert uuid.UUID(name.rsplit("/", 1)[-1]).version == 4
    assert execution["state"] == "ACTIVE"
    assert execution["status"] == {}
    assert execution["argument"] == '{"input":15}'
    assert re.fullmatch(r"000001-[0-9a-f]{3}", execution["workflowRevisionId"])
    assert execution["startTime"] == "2026-01-01T00:00:00Z"
    assert ("createTime" in execution) == (api.version == "v1")
    assert not {"endTime", "duration", "result", "error"} & set(execution)
    assert api.create("sleep", {"argument": '{"seconds": 5}'}).json()["status"] == {}


def test_google_client_creates_and_gets(google: Callable[[str], Any], version: str, clock: ManualClock) -> None:
    """Google's own client library works against the emulator."""
    executions = google(version)
    body = {"argument": json.dumps({"seconds": 5.5, "result": ["done"]})}
    name = executions.create(parent=PARENT, body=body).execute()["name"]
    path = f"{PARENT}/executions/{name.rsplit('/', 1)[-1]}"
    during = executions.get(name=path).execute()
    assert (during["state"], during["status"]["currentSteps"]) == ("ACTIVE", [{"routine": "main", "step": "sleep"}])
    clock.advance(5.5)
    after = executions.get(name=path).execute()
    assert (after["state"], after["result"]) == ("SUCCEEDED", '["done"]')
    assert after["endTime"] == "2026-01-01T00:00:05.500Z"
    assert after.get("duration") == ("5.500s" if version == "v1" else None)
    assert after["status"]["currentSteps"] == [{"routine": "main", "step": "return_result"}]


def test_start_times_strictly_increase(v1: Api) -> None:
    """Executions created at one clock reading still have different, increasing start times."""
    times = [v1.create("echo").json()["startTime"] for _ in range(3)]
    assert times == [f"2026-01-01T00:00:00{fraction}Z" for fraction in ("", ".000000001", ".000000002")]


def test_execution_ends_on_time_when_others_were_created_in_between(v1: Api, clock: ManualClock) -> None:
    """Keeping start times apart never makes an execution end later than the clock says."""
    ids = [v1.created("sleep", {"seconds": 0.3}) for _ in range(3)]
    for _ in range(3):
        clock.advance(0.1)
    assert {v1.get("sleep", each).json()["state"] for each in ids} == {"SUCCEEDED"}


@pytest.mark.parametrize("body", [None, {}, {"argument": ""}])
def test_absent_argument_is_null(api: Api, body: Any) -> None:
    """Without an argument the execution's argument is the text `null`."""
    assert api.create("echo", body).json()["argument"] == "null"


def test_both_versions_share_one_store(v1: Api, v1beta: Api) -> None:
    """An execution created through one version is seen by the other."""
    execution_id = v1beta.created("echo", [1])
    assert v1.get("echo", execution_id).json()["result"] == "[1]"


def test_name_in_answer_can_be_used_as_path(api: Api) -> None:
    """A path with the project number reaches the same execution as one with the project id."""
    name = api.create("echo").json()["name"]
    assert api.read(name).json()["name"] == name


def test_basic_view_leaves_out_data(api: Api) -> None:
    """BASIC holds exactly the documented fields, FULL (the default of get) all."""
    fields = {"labels": {"k": "v"}} if api.version == "v1" else {}
    execution_id = api.created("echo", {"a": 1}, **fields)
    expected = {"name", "startTime", "endTime", "state", "workflowRevisionId"}
    if api.version == "v1":
        expected.add("duration")
    assert set(api.get("echo", execution_id, view="BASIC").json()) == expected
    full = api.get("echo", execution_id).json()
    assert {"argument", "result", "status"} <= set(full)
    assert full == api.get("echo", execution_id, view="FULL").json()
    assert full == api.get("echo", execution_id, view="EXECUTION_VIEW_UNSPECIFIED").json()


def test_unknown_view_is_refused(api: Api) -> None:
    """A view that does not exist is a 400 that names the parameter."""
    assert violations(api.get("echo", api.created("echo"), view="SHORT"))[0]["field"] == "view"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"input": 15}, "execution"),
        ({"argument": {"a": 1}}, "execution.argument"),
        ({"argument": "{'a': 1}"}, "execution.argument"),
        ({"argument": "NaN"}, "execution.argument"),
        ({"argument": json.dumps("x" * 600_000)}, "execution.argument"),
        ({"callLogLevel": "LOUD"}, "execution.callLogLevel"),
        ({"call_log_level": 7}, "execution.callLogLevel"),
    ],
)
def test_bad_create_bodies_are_refused(api: Api, emulator: Emulator, body: Any, field: str) -> None:
    """An unknown field, an argument that is no JSON text, or a bad enum is a 400 that names the field."""
    assert violations(api.create("echo", body))[0]["field"] == field
    assert emulator.executions() == []


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"text"'])
def test_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    """A body that is not a JSON object is a 400."""
    assert "Invalid JSON payload" in violations(api.create("echo", body))[0]["description"]


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"a": "b"}},
        {"disableConcurrencyQuotaOverflowBuffering": True},
        {"executionHistoryLevel": "EXECUTION_HISTORY_BASIC"},
        {"callLogLevel": "LOG_NONE"},
        {"createTime": "2026-01-01T00:00:00Z"},
    ],
)
def test_fields_of_v1_are_unknown_to_v1beta(v1: Api, v1beta: Api, fields: dict[str, Any]) -> None:
    """What only v1 has is accepted there and a 400 on v1beta."""
    assert v1.create("echo", fields).status_code == 200
    assert violations(v1beta.create("echo", fields))


def test_flag_must_be_a_boolean(v1: Api) -> None:
    """A flag that is no boolean is a 400."""
    answer = v1.create("echo", {"disableConcurrencyQuotaOverflowBuffering": "yes"})
    assert violations(answer)[0]["field"] == "execution.disableConcurrencyQuotaOverflowBuffering"


def test_create_options_come_back(v1: Api) -> None:
    """Options and labels are in the FULL view as they were sent."""
    sent = {"callLogLevel": "LOG_NONE", "executionHistoryLevel": "EXECUTION_HISTORY_DETAILED", "labels": {"a": ""}}
    execution = v1.get("echo", v1.created("echo", **sent)).json()
    assert {name: execution[name] for name in sent} == sent


def test_output_only_fields_are_ignored(api: Api) -> None:
    """Output-only fields in a create body change nothing."""
    execution_id = api.created("forever", name="mine", state="SUCCEEDED", result="1")
    execution = api.get("forever", execution_id).json()
    assert (execution["state"], execution.get("result")) == ("ACTIVE", None)


@pytest.mark.parametrize(
    "labels",
    [
        {"Key": "v"},
        {"1k": "v"},
        {"k": "V"},
        {"k": "a b"},
        {"k" * 64: "v"},
        {"k": "v" * 64},
        {"": "v"},
        {"k": 1},
        {f"k{number}": "v" for number in range(65)},
        "text",
    ],
)
def test_bad_labels_are_refused(v1: Api, labels: Any) -> None:
    """Labels outside the documented rules are a 400 on `labels`."""
    assert violations(v1.create("echo", {"labels": labels}))[0]["field"] == "execution.labels"


def test_international_labels_are_accepted(v1: Api) -> None:
    """Lowercase letters of any script, digits, `_` and `-` make a label."""
    labels = {"straße-1_x": "日本", "k" * 63: "v" * 63}
    assert v1.create("echo", {"labels": labels}).json()["labels"] == labels


def test_missing_execution_and_workflow_are_not_found(api: Api) -> None:
    """Unknown names are 404 NOT_FOUND with a text that holds the name."""
    for answer in (api.get("echo", str(uuid.uuid4())), api.create("nothing"), api.list("nothing")):
        assert (answer.status_code, answer.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert "'projects/123456789012/locations/us-central1/workflows/nothing'" in api.list("nothing").text


def test_system_parameters_are_accepted(api: Api) -> None:
    """The parameters that every Google API has do not disturb; any other is a 400."""
    execution_id = api.created("echo")
    system = {"$.xgafv": "2", "alt": "json", "key": "k", "quotaUser": "u", "prettyPrint": "false"}
    assert api.get("echo", execution_id, **system).status_code == 200
    assert violations(api.get("echo", execution_id, pageSize="1"))[0]["field"] == "pageSize"
    assert violations(api.get("echo", execution_id, alt="media"))[0]["field"] == "alt"


def test_fields_mask_is_honoured(api: Api) -> None:
    """`fields` selects what is answered, nested fields included."""
    execution_id = api.created("sleep", {"seconds": 5})
    assert set(api.get("sleep", execution_id, fields="name,state").json()) == {"name", "state"}
    answer = api.get("sleep", execution_id, fields="status/currentSteps(step)").json()
    assert answer == {"status": {"currentSteps": [{"step": "sleep"}]}}
    assert api.get("sleep", execution_id, fields="*").json() == api.get("sleep", execution_id).json()
    assert api.get("sleep", execution_id, fields="status/*").json() == {
        "status": {"currentSteps": [{"routine": "main", "step": "sleep"}]}
    }
    step = {"status": {"currentSteps": [{"step": "sleep"}]}}
    assert api.get("sleep", execution_id, fields="*/currentSteps/step").status_code == 400
    assert api.get("sleep", execution_id, fields="status(*(step))").json() == step


@pytest.mark.parametrize(
    "mask", ["name(", "name)", ",", "a b!", "status(x", "a,", "status/", "a(b)c", "colour", "state/name", "status/x"]
)
def test_bad_fields_mask_is_refused(api: Api, mask: str) -> None:
    """A mask that cannot be read is a 400."""
    assert violations(api.get("echo", api.created("echo"), fields=mask))[0]["field"] == "fields"


def test_pretty_print_can_be_asked_for(api: Api) -> None:
    """`prettyPrint=true` indents; without it answers are compact."""
    execution_id = api.created("echo")
    assert "\n" not in api.get("echo", execution_id).text
    assert '\n  "state"' in api.get("echo", execution_id, prettyPrint="true").text


def test_get_by_method_override(v1: Api, emulator: Emulator) -> None:
    """A GET that a client sends as POST because of its length is a get."""
    execution_id = v1.created("echo")
    url = f"{v1.root}/{PARENT.replace('sleep', 'echo')}/executions/{execution_id}"
    answer = v1.session.post(url, data="view=BASIC", headers={"x-http-method-override": "GET"}, timeout=10)
    assert "argument" not in answer.json()
    assert emulator.count("get") == 1


def test_what_is_no_method_says_so(v1: Api, emulator: Emulator) -> None:
    """Unknown paths answer 404, a method's path with another verb 405; both count as `other`."""
    path = f"{PARENT.replace('sleep', 'echo')}/executions/{v1.created('echo')}"
    answers = [v1.read("projects/p"), v1.read(f"{path}:pause"), v1.read(f"{path}:cancel"), v1.post(path)]
    assert [answer.status_code for answer in answers] == [404, 404, 405, 405]
    assert all(answer.json()["error"]["code"] == answer.status_code for answer in answers)
    assert "POST" in answers[2].text
    assert emulator.count("other") == 4


def test_location_must_be_one(v1: Api) -> None:
    """A location that cannot exist is a 400."""
    assert violations(v1.read(PARENT.replace("us-central1", "US!") + "/executions"))


def test_new_execution_can_be_invisible_for_a_while(v1: Api, emulator: Emulator, clock: ManualClock) -> None:
    """With `get_delay` and `list_delay`, get answers 404 and list leaves it out until they have passed."""
    emulator.settings.get_delay, emulator.settings.list_delay = 2.0, 5.0
    execution_id = v1.created("echo")
    assert (v1.get("echo", execution_id).status_code, v1.list("echo").json()) == (404, {})
    clock.advance(2)
    assert (v1.get("echo", execution_id).status_code, v1.list("echo").json()) == (200, {})
    clock.advance(3)
    assert len(v1.list("echo").json()["executions"]) == 1
