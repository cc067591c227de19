package main

import "strings"

// described are the beginnings of the paths whose exchanges are validated.
var described = []string{"/files", "/uploads", "/vector_stores"}

// part returns the part of a document that describes those paths. The validator would
// compile schemas for hundreds of further operations of the whole document.
func (d document) part() document {
	paths := make(map[string]any)
	for path, item := range d["paths"].(map[string]any) {
		for _, beginning := range described {
			if path == beginning || strings.HasPrefix(path, beginning+"/") {
				paths[path] = item
			}
		}
	}
	used := make(map[string]map[string]any) // components by kind and name
	d.collect(paths, used)
	components := make(map[string]any)
	for kind, byName := range used {
		components[kind] = byName
	}
	return document{
		"openapi": d["openapi"], "info": d["info"], "servers": d["servers"],
		"paths": paths, "components": components,
	}
}

// collect adds the components to which a part of the document refers, directly or not.
func (d document) collect(part any, used map[string]map[string]any) {
	switch part := part.(type) {
	case []any:
		for _, p := range part {
			d.collect(p, used)
		}
	case map[string]any:
		for name, p := range part {
			if ref, ok := p.(string); ok && name == "$ref" {
				d.collectComponent(ref, used)
				continue
			}
			d.collect(p, used)
		}
	}
}

func (d document) collectComponent(ref string, used map[string]map[string]any) {
	kindAndName, ok := strings.CutPrefix(ref, "#/components/")
	kind, name, of := strings.Cut(kindAndName, "/")
	if !ok || !of || used[kind][name] != nil {
		return
	}
	components, _ := d["components"].(map[string]any)
	byName, _ := components[kind].(map[string]any)
	if byName[name] == nil {
		return // the validator reports it
	}
	if used[kind] == nil {
		used[kind] = make(map[string]any)
	}
	used[kind][name] = byName[name]
	d.collect(byName[name], used)
}
