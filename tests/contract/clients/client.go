// SPDX-License-Identifier: Apache-2.0

// Ask with Google's Go library: "client FACTS" prints the answers; see client_answers.py. It is compiled once for each
// version of the API.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"google.golang.org/api/option"
	executions "google.golang.org/api/workflowexecutions/v1"
)

func main() {
	var facts map[string]string
	must(json.Unmarshal([]byte(os.Args[1]), &facts))
	ctx := context.Background()
	service, err := executions.NewService(ctx, option.WithEndpoint(facts["endpoint"]), option.WithoutAuthentication())
	must(err)
	calls := service.Projects.Locations.Workflows.Executions
	root := facts["workflows"]
	answers := map[string]interface{}{}
	keep := func(method string, answer interface{}, err error) {
		answers[method] = answer
		if err != nil {
			answers[method] = map[string]string{"error": err.Error()}
		}
	}

	created, err := calls.Create(root+"/echo", &executions.Execution{Argument: `{"pieces": 2}`}).Do()
	keep("create", created, err)
	got, err := calls.Get(facts["known"]).Do()
	keep("get", got, err)
	listed, err := calls.List(root + "/crowd").Do()
	keep("list", listed, err)
	found := []*executions.Execution{}
	err = calls.List(root+"/crowd").PageSize(2).Pages(ctx, func(page *executions.ListExecutionsResponse) error {
		found = append(found, page.Executions...)
		return nil
	})
	keep("list, all pages", found, err)
	cancelled, err := calls.Cancel(facts["forever"], &executions.CancelExecutionRequest{}).Do()
	keep("cancel", cancelled, err)
	for _, name := range []string{"ExportData", "DeleteExecutionHistory"} {
		if reflect.ValueOf(calls).MethodByName(name).IsValid() {
			must(fmt.Errorf("this version of the library has %s, which is not tried", name))
		}
	}
	must(json.NewEncoder(os.Stdout).Encode(answers))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
