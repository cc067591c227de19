// Package openaivs is a Conduit destination that keeps records as documents in an
// OpenAI vector store: a create, snapshot or update puts the document of the
// record's key, a delete removes it. See package vsclient for the promises.
//
// [Serve] runs it as a standalone plugin. [Connector] can also be built into a
// Conduit of one's own; it then has the SDK's limits: one
// write a record, and one error for all that follows a failure.
package openaivs

import (
	_ "embed"
	"runtime/debug"

	sdk "github.com/conduitio/conduit-connector-sdk"
)

//go:embed connector.yaml
var specification string

// version is set by the linker for releases. Else the module's version counts,
// which the go command records when it installs one; without either it is
// the one in connector.yaml.
var version string

// Connector is the plugin: a specification and a destination.
var Connector = sdk.Connector{
	NewSpecification: sdk.YAMLSpecification(specification, buildVersion()),
	NewSource:        nil,
	NewDestination:   NewDestination,
}

const modulePath = "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector"

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Path == modulePath && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return ""
}
