# Verbs of the repository; `make help` lists them.

MODULES := vsclient connector
VERSION ?=
VSCLIENT := github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient
PLUGIN := conduit-connector-openai-vectorstore
BIN := $(CURDIR)/bin
GO_FILES = $(shell find vsclient connector -name '*.go')

# A key for the live tests and the demo, when there is one.
-include .env
export OPENAI_API_KEY OPENAI_BASE_URL OPENAI_VECTOR_STORE_ID CONDUIT

# What has to run outside the workspace (the spec generator, go mod tidy) finds
# vsclient through a copy of connector/go.mod with a replace, which the published
# one must not have.
define outside_workspace
dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
cp connector/go.mod connector/go.sum "$$dir" && \
go mod edit -replace $(VSCLIENT)=$(CURDIR)/vsclient "$$dir/go.mod" && \
cd connector && export GOWORK=off
endef

.PHONY: help
help: ## List the verbs
	@awk -F':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run a real pipeline over this repository's documents, with tables of what the store holds
	@go run ./connector/e2e/demo

.PHONY: test
test: $(MODULES:%=test-%) ## Run all tests of both modules, with the race detector

.PHONY: test-vsclient test-connector
test-vsclient: ## Run the tests of the client
test-connector: ## Run the tests of the connector
test-vsclient test-connector: test-%:
	go -C $* test -race ./...

.PHONY: e2e
e2e: ## Run the plugin in a real Conduit, with generator and PostgreSQL pipelines
	cd connector/e2e && go test -count=1 -timeout 30m ./...

.PHONY: build
build: ## Build the plugin and the emulator into bin/
	mkdir -p $(BIN)
	go build -o $(BIN)/ -ldflags "-X '$(VSCLIENT:vsclient=connector).version=$(VERSION)'" ./connector/cmd/$(PLUGIN) ./vsclient/cmd/openaitest

.PHONY: generate
generate: ## Write connector.yaml and the parameters in README.md
	@$(outside_workspace) && export GOFLAGS="$$GOFLAGS -modfile=$$dir/go.mod" && \
	go tool conn-sdk-cli specgen && go tool conn-sdk-cli readmegen -w -r ../README.md && \
	chmod 644 connector.yaml ../README.md

.PHONY: tidy tidy-vsclient tidy-connector tidy-e2e
tidy: tidy-vsclient tidy-connector tidy-e2e ## Bring go.mod and go.sum up to date
tidy-vsclient:
	GOWORK=off go -C vsclient mod tidy
tidy-connector:
	@$(outside_workspace) && go mod tidy -modfile="$$dir/go.mod" && \
	go mod edit -dropreplace $(VSCLIENT) "$$dir/go.mod" && cp "$$dir/go.mod" "$$dir/go.sum" .
tidy-e2e:
	GOWORK=off go -C connector/e2e mod tidy

.PHONY: lint
lint: ## Vet both modules
	@for m in $(MODULES); do go -C $$m vet ./... || exit 1; done

.PHONY: fmt
fmt: ## Format the Go code
	gofmt -w $(MODULES)

.PHONY: bench
bench: ## Compare throughput with one record at a time
	go -C connector test -run '^$$' -bench . -benchtime 1x ./...

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN) dist
