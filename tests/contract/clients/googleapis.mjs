// SPDX-License-Identifier: Apache-2.0
// Ask with npm's googleapis: `node googleapis.mjs FACTS` prints the answers; see client_answers.py.

import { google } from "googleapis";

const facts = JSON.parse(process.argv[2]);
const service = google.workflowexecutions({ version: facts.version, rootUrl: `${facts.endpoint}/` });
const workflows = service.projects.locations.workflows;
const executions = workflows.executions;
const root = facts.workflows;

async function allPages(parameters) {
  const found = [];
  let pageToken;
  do {
    const { data } = await executions.list({ ...parameters, pageToken });
    found.push(...data.executions);
    pageToken = data.nextPageToken;
  } while (pageToken);
  return { data: found };
}

const calls = {
  create: [executions, "create", { parent: `${root}/echo`, requestBody: { argument: '{"pieces": 2}' } }],
  get: [executions, "get", { name: facts.known }],
  list: [executions, "list", { parent: `${root}/crowd` }],
  "list, all pages": [{ allPages }, "allPages", { parent: `${root}/crowd`, pageSize: 2 }],
  cancel: [executions, "cancel", { name: facts.forever, requestBody: {} }],
  exportData: [executions, "exportData", { name: facts.stepped }],
  deleteExecutionHistory: [executions, "deleteExecutionHistory", { name: facts.forgotten, requestBody: {} }],
  "callbacks.list": [executions.callbacks, "list", { parent: facts.waiting }],
  "stepEntries.list": [executions.stepEntries, "list", { parent: facts.stepped }],
  "stepEntries.get": [executions.stepEntries, "get", { name: `${facts.stepped}/stepEntries/1` }],
  triggerPubsubExecution: [
    workflows,
    "triggerPubsubExecution",
    { workflow: `${root}/event`, requestBody: { message: { data: "e30=" }, subscription: "any", GCPCloudEventsMode: "any" } },
  ],
};

const answers = {};
for (const [method, [resource, name, parameters]] of Object.entries(calls)) {
  if (typeof resource?.[name] !== "function") continue;
  try {
    answers[method] = (await resource[name](parameters)).data;
  } catch (error) {
    answers[method] = { error: String(error) };
  }
}
console.log(JSON.stringify(answers));
