# SPDX-License-Identifier: Apache-2.0
"""What an error may show of a bad value."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_workflows.core.quoting import quoted, told


@pytest.mark.parametrize(
    "value",
    [
        "",
        "my workflow",
        "projects/p/locations/l",
        "b5fa1c9e-3d5f-4a1e-9c1d-2f0b6f7a8c9d",
        "/run/secrets/google/key.json",
        "C:\\keys\\runner.json",
        "a_long_workflow_name_with_many_words_in_it_v2",
        "MyCompany-Nightly-Export2",
        "manual__2026-01-01T00:00:00+00:00",
        "/opt/airflow/Secrets/Prod/runner-2.json",
        "runner@test-project.iam.gserviceaccount.com",
        5,
        None,
        1.5,
        ("a", 1),
    ],
)
def test_what_helps_is_shown(value: Any) -> None:
    """Ids, names, addresses and paths stand in the error as they were given."""
    assert quoted(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ('{"type": "service_account", "client_email": "a@b", "private_key": "x"}', "keyfile_dict"),
        ("-----BEGIN PRIVATE KEY-----\\nMIIE", "keyfile_dict"),
        ('{"type": "external_account"}', "credential_config_file"),
        ('{"refresh_token": "1//0abc"}', "credential_config_file"),
        ("ya29.a0AbVb", "which is not shown"),
        ("AIzaSyA-1234567890", "which is not shown"),
        ("GOCSPX-abcdef", "which is not shown"),
        ("x" * 300, "a text of 300 characters"),
        ("https://user:pass@host", "which is not shown"),
        ("https://host?access_token=abc", "which is not shown"),
        ("Bearer abc.def-ghi", "which is not shown"),
        ("Basic dXNlcjpwYTU1", "which is not shown"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "which is not shown"),
        ("1/fFAGRNJru1FTz70BzhT3Zg", "which is not shown"),
        ("ya29%2Ea0AbVb", "which is not shown"),
        ("Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6", "which is not shown"),
        ("aB3_dE-fG7_hJ-kL9_mN-pQ2_rS-tU4_vW", "which is not shown"),
        ({"password": "x"}, "a dict"),
        (b"x" * 400, "a bytes"),
    ],
)
def test_what_could_be_a_secret_is_not_shown(value: Any, where: str) -> None:
    """A key that landed in the wrong place is named by what it is, and where it belongs."""
    text = quoted(value)
    assert where in text
    assert "which is not shown" in text
    assert str(value) not in text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Two\nlines\tand \x1b[31mcolour\x1b[0m", "Two lines and  [31mcolour [0m"),
        ("half \ud800 a pair, \u202e backwards", "half   a pair,   backwards"),
        ("Grant roles/iam.serviceAccountTokenCreator to a@b.c", "Grant roles/iam.serviceAccountTokenCreator to a@b.c"),
        ('Unknown name "key": Cannot find field.', 'Unknown name "key": Cannot find field.'),
        ("Subject token eyJhbGciOiJSUzI1NiJ9.e30.c2ln is bad", "Subject token … is bad"),
        ("got ya29.a0Ab", "got …"),
    ],
)
def test_what_the_service_says_is_one_line_without_keys(given: str, shown: str) -> None:
    """Words of the service stand in a log as they are, but for control characters, line breaks and what is a key."""
    assert told(given) == shown


def test_a_number_of_thousands_of_digits_is_not_shown() -> None:
    """Python refuses to write it; the error is still about the parameter."""
    assert quoted(10**5000) == "a int, which is not shown"
