package main

import "strings"

// exception is a known deviation of the live API or of an SDK from the OpenAPI document,
// with the amendment of the document that allows it and the reason to believe it.
type exception struct {
	name   string
	reason string
	amend  func(doc document)

	deliberate bool // applies only to deliberately wrong requests
}

// repairs apply to all validation. They give the document its evident meaning, or allow
// the values of all recorded replies of the live API.
var repairs = []exception{
	{
		name:   "recursive filters",
		reason: "$recursiveRef is not a keyword of JSON Schema 2020-12, which OpenAPI 3.1 uses; it is read as a $ref to the schema itself",
		amend: func(doc document) {
			doc.schema("CompoundFilter", "properties", "filters", "items")["oneOf"] = []any{
				map[string]any{"$ref": "#/components/schemas/ComparisonFilter"},
				map[string]any{"$ref": "#/components/schemas/CompoundFilter"},
			}
		},
	},
	{
		name:   "nullable",
		reason: "nullable belongs to OpenAPI 3.0; in 3.1 the document means null as an alternative",
		amend:  func(doc document) { replaceNullable(map[string]any(doc)) },
	},
	{
		name:   "closed objects",
		reason: "an object has no undeclared members, so that a misspelt one is found",
		amend:  func(doc document) { closeObjects(doc["components"]) },
	},
	{
		name: "nulls",
		reason: "in every recorded reply of the live API, status_details of a File, expires_after of a store without a policy and name of a store without a name are null;" +
			" first_id and last_id are null in recorded empty lists of the Assistants API",
		amend: func(doc document) {
			ends := []string{"first_id", "last_id"}
			for schema, names := range map[string][]string{
				"OpenAIFile": {"status_details"}, "VectorStoreObject": {"name", "expires_after"},
				"ListFilesResponse": ends, "ListVectorStoresResponse": ends, "ListVectorStoreFilesResponse": ends,
			} {
				properties := doc.schema(schema, "properties")
				for _, name := range names {
					properties[name] = orNull(properties[name])
				}
			}
		},
	},
}

// exceptions are tried one by one on an exchange that does not conform to the document.
var exceptions = []exception{
	{
		name:   "undocumented errors",
		reason: "operations of /files and /uploads document no error, and those of /vector_stores only 429; every error of the API has the schema ErrorResponse",
		amend: func(doc document) {
			for _, path := range doc["paths"].(map[string]any) {
				for _, op := range path.(map[string]any) {
					op.(map[string]any)["responses"].(map[string]any)["default"] = jsonResponse("#/components/schemas/ErrorResponse")
				}
			}
		},
	},
	{
		name:   "batch object",
		reason: "the enum says vector_store.files_batch; the live API and the description beside the enum say vector_store.file_batch",
		amend: func(doc document) {
			doc.schema("VectorStoreFileBatchObject", "properties", "object")["enum"] = []any{"vector_store.file_batch"}
		},
	},
	{
		name:   "purpose evals",
		reason: "files can be created with purpose evals, but the enum of the File object leaves it out",
		amend: func(doc document) {
			purpose := doc.schema("OpenAIFile", "properties", "purpose")
			purpose["enum"] = append(purpose["enum"].([]any), "evals")
		},
	},
	{
		name:   "null bytes",
		reason: "by the reference of November 2026, bytes may be null in the reply to an upload whose size is not known yet",
		amend: func(doc document) {
			properties := doc.schema("OpenAIFile", "properties")
			properties["bytes"] = orNull(properties["bytes"])
		},
	},
	{
		name:   "upload purposes",
		reason: "the SDKs' types allow user_data and evals for uploads; the document's enum leaves them out",
		amend: func(doc document) {
			purpose := doc.schema("CreateUploadRequest", "properties", "purpose")
			purpose["enum"] = append(purpose["enum"].([]any), "user_data", "evals")
		},
	},
	{
		name:   "bracketed form fields",
		reason: "OpenAI's SDKs send the members of expires_after in a form as expires_after[anchor] and expires_after[seconds]",
		amend: func(doc document) {
			properties := doc.schema("CreateFileRequest", "properties")
			properties["expires_after[anchor]"] = map[string]any{"type": "string", "enum": []any{"created_at"}}
			properties["expires_after[seconds]"] = map[string]any{"type": "string", "pattern": "^[0-9]+$"}
		},
	},
	{
		name:   "file content is bytes",
		reason: "the document says that content is a JSON string; the reply is the bytes of the file",
		amend: func(doc document) {
			doc.response("/files/{file_id}/content", "get")["content"] = map[string]any{"*/*": map[string]any{}}
		},
	},
	{
		name:   "content in the shape of the example",
		reason: "the document's schema and its example of parsed content differ; users report {file_id, filename, attributes, content}",
		amend: func(doc document) {
			doc.response("/vector_stores/{vector_store_id}/files/{file_id}/content", "get")["content"] = map[string]any{
				"application/json": map[string]any{"schema": map[string]any{
					"type": "object", "required": []any{"file_id", "filename", "attributes", "content"}, "additionalProperties": false,
					"properties": map[string]any{
						"file_id": map[string]any{"type": "string"}, "filename": map[string]any{"type": "string"},
						"attributes": map[string]any{"$ref": "#/components/schemas/VectorStoreFileAttributes"},
						"content": map[string]any{"type": "array", "items": map[string]any{
							"type": "object", "required": []any{"type", "text"},
							"properties": map[string]any{"type": map[string]any{"const": "text"}, "text": map[string]any{"type": "string"}},
						}},
					},
				}},
			}
		},
	},
	{
		name:   "content page parameter",
		reason: "parsed content has next_page, but the document declares no parameter for it; openaitest takes page",
		amend: func(doc document) {
			op := doc.operation("/vector_stores/{vector_store_id}/files/{file_id}/content", "get")
			op["parameters"] = append(op["parameters"].([]any), map[string]any{"name": "page", "in": "query", "schema": map[string]any{"type": "string"}})
		},
	},
	{
		name:       "JSON in a form",
		reason:     "an object in a multipart form is application/json; the validator takes it for a string",
		deliberate: true,
		amend: func(doc document) {
			doc.schema("CreateFileRequest", "properties")["expires_after"] = map[string]any{"type": "string"}
		},
	},
	{
		name:       "unknown parameters",
		reason:     "it is not known whether the API ignores unknown query parameters; the emulator does, and Config.Strict reports them",
		deliberate: true,
		amend: func(doc document) {
			for _, sent := range []struct{ method, path, name string }{
				{"get", "/files", "before"},
				{"get", "/files/{file_id}", "verbose"},
				{"post", "/vector_stores", "name"},
				{"get", "/vector_stores/{vector_store_id}/files", "metadata"},
				{"get", "/vector_stores/{vector_store_id}/files", "nonsense"},
			} {
				op := doc.operation(sent.path, sent.method)
				params, _ := op["parameters"].([]any)
				op["parameters"] = append(params, map[string]any{"name": sent.name, "in": "query", "schema": map[string]any{"type": "string"}})
			}
		},
	},
	{
		name:       "unknown fields",
		reason:     "it is not known whether the API ignores unknown fields; under the quirk ignore_unknown_fields the emulator does",
		deliberate: true,
		amend: func(doc document) {
			for _, name := range []string{"CreateVectorStoreRequest", "UpdateVectorStoreRequest"} {
				doc.schema(name)["additionalProperties"] = true
			}
		},
	},
	{
		name:   "batch answered with its store",
		reason: "users report that GET on a batch returns the vector store (openai-python#2724, openai-node#1700)",
		amend: func(doc document) {
			doc.response("/vector_stores/{vector_store_id}/file_batches/{batch_id}", "get")["content"] = jsonResponse("#/components/schemas/VectorStoreObject")["content"]
		},
	},
}

// replaceNullable replaces every "nullable": true in v by an alternative null.
func replaceNullable(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			replaceNullable(e)
		}
	case map[string]any:
		for _, e := range v {
			replaceNullable(e)
		}
		if v["nullable"] == true {
			delete(v, "nullable")
			if t, ok := v["type"].(string); ok {
				v["type"] = []any{t, "null"}
			} else {
				v["x-null"] = true // for the allOf around it
			}
		}
		parts, _ := v["allOf"].([]any)
		for _, p := range parts {
			if p, ok := p.(map[string]any); ok && p["x-null"] == true {
				delete(p, "x-null")
				delete(v, "allOf")
				v["anyOf"] = []any{map[string]any{"allOf": parts}, map[string]any{"type": "null"}}
				break
			}
		}
	}
}

// closeObjects forbids undeclared members where the schema does not mention them.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			closeObjects(e)
		}
	case map[string]any:
		for _, e := range v {
			closeObjects(e)
		}
		_, isObject := v["properties"].(map[string]any)
		if _, said := v["additionalProperties"]; isObject && !said {
			v["additionalProperties"] = false
		}
	}
}

// document is an OpenAPI document as decoded JSON.
type document map[string]any

// schema returns the value at a path below a named schema.
func (d document) schema(name string, path ...string) map[string]any {
	m := d["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)
	for _, p := range path {
		m = m[p].(map[string]any)
	}
	return m
}

func (d document) operation(path, method string) map[string]any {
	return d["paths"].(map[string]any)[path].(map[string]any)[method].(map[string]any)
}

// queryParameters returns the names of the query parameters of each operation, such as
// "GET /files".
func (d document) queryParameters() map[string][]string {
	all := make(map[string][]string)
	for path, item := range d["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			name := strings.ToUpper(method) + " " + path
			all[name] = nil
			parameters, _ := op.(map[string]any)["parameters"].([]any)
			for _, p := range parameters {
				if p := p.(map[string]any); p["in"] == "query" {
					all[name] = append(all[name], p["name"].(string))
				}
			}
		}
	}
	return all
}

// response returns the description of an operation's reply 200.
func (d document) response(path, method string) map[string]any {
	return d.operation(path, method)["responses"].(map[string]any)["200"].(map[string]any)
}

func jsonResponse(schema string) map[string]any {
	return map[string]any{
		"description": strings.TrimPrefix(schema, "#/components/schemas/"),
		"content":     map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": schema}}},
	}
}

func orNull(schema any) map[string]any {
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}
