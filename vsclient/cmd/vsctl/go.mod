module github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl

go 1.26.0

require (
	github.com/bmatcuk/doublestar/v4 v4.10.4
	github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient v0.2.0
	github.com/go-git/go-git/v6 v6.0.0-beta.1 // v5 has not git's classes of characters, nor its two stars in a name
	github.com/goccy/go-yaml v1.19.2
	github.com/matryer/is v1.4.1
	github.com/spf13/cobra v1.10.2
	github.com/spf13/pflag v1.0.9 // 1.1.0 writes [=true|false] behind each switch of a help text
	golang.org/x/term v0.48.0
)

require (
	github.com/cenkalti/backoff/v4 v4.3.0 // indirect
	github.com/coder/websocket v1.8.15 // indirect
	github.com/go-git/gcfg/v2 v2.0.2 // indirect
	github.com/go-git/go-billy/v6 v6.0.0-beta.1 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/openai/openai-go/v3 v3.99.0 // indirect
	github.com/pjbgf/sha1cd v0.7.0 // indirect
	github.com/tidwall/gjson v1.20.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/tidwall/sjson v1.2.5 // indirect
	golang.org/x/sync v0.25.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
)
