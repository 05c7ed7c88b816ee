# SPDX-License-Identifier: Apache-2.0
"""Subclasses: defaults of a team, a further template field, a method of Airflow around the parent's."""

from datetime import datetime

from airflow import DAG
from airflow.providers.google.cloud.operators.workflows import WorkflowsCreateExecutionOperator
from airflow.providers.google.cloud.sensors.workflows import WorkflowExecutionSensor


class TeamCreate(WorkflowsCreateExecutionOperator):
    template_fields = (*WorkflowsCreateExecutionOperator.template_fields, "project_id", "team")

    def __init__(self, *, team: str, location: str = "us-central1", **kwargs) -> None:
        super().__init__(location=location, **kwargs)
        self.team = team

    def execute(self, context):
        self.log.info("team %s, timeout %s, retry %s, metadata %s", self.team, self.timeout, self.retry, self.metadata)
        execution = super().execute(context)
        return execution["name"].split("/")[-1]


class TeamSensor(WorkflowExecutionSensor):
    def poke(self, context):
        return super().poke(context)


with DAG(
    dag_id="m05_subclass",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"project": "test-project", "team": "data"},
):
    create = TeamCreate(
        task_id="create",
        workflow_id="sleep",
        project_id="{{ params.project }}",
        team="{{ params.team }}",
        execution={"argument": {"seconds": 1}},
    )
    TeamSensor(
        task_id="wait",
        workflow_id="sleep",
        project_id="test-project",
        location="us-central1",
        execution_id=create.output,
        poke_interval=1,
    )
