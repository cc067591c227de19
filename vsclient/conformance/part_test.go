package main

import (
	"encoding/json"
	"testing"
)

func TestThePartOfTheDocumentHoldsTheComponentsOfItsPaths(t *testing.T) {
	var whole, want document
	for text, d := range map[string]*document{
		`{"openapi": "3.1.0", "info": {}, "servers": [], "security": [{"key": []}],
		  "paths": {
		    "/files": {"get": {"responses": {"200": {"$ref": "#/components/responses/List"}}}},
		    "/files-of-another-kind": {"get": {}},
		    "/fine_tuning/files": {"get": {"schema": {"$ref": "#/components/schemas/Unused"}}}},
		  "components": {
		    "responses": {"List": {"schema": {"$ref": "#/components/schemas/File"}}},
		    "schemas": {"File": {"parent": {"$ref": "#/components/schemas/File"}}, "Unused": {}}}}`: &whole,
		`{"openapi": "3.1.0", "info": {}, "servers": [],
		  "paths": {"/files": {"get": {"responses": {"200": {"$ref": "#/components/responses/List"}}}}},
		  "components": {
		    "responses": {"List": {"schema": {"$ref": "#/components/schemas/File"}}},
		    "schemas": {"File": {"parent": {"$ref": "#/components/schemas/File"}}}}}`: &want,
	} {
		if err := json.Unmarshal([]byte(text), d); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := text(t, whole.part()), text(t, want); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func text(t *testing.T, d document) string {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
