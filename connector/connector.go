// Package openaivs is a Conduit destination that keeps records as documents in an
// OpenAI vector store: a create, snapshot or update puts the document of the
// record's key, and a delete removes it. Package vsclient states the guarantees.
//
// [Serve] runs it as a standalone plugin. [Connector] can also be built into
// Conduit. Without [Serve] it has the SDK's limits: each record is a write, and a
// failure refuses all records after it with one error.
package openaivs

import (
	_ "embed"
	"runtime/debug"

	sdk "github.com/conduitio/conduit-connector-sdk"
)

//go:embed connector.yaml
var specification string

// version is set by the linker for releases. Without it the version is that of the module,
// which the go command records at an install, or else the one in connector.yaml.
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
