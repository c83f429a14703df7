# Fairlead. `make help` lists the targets.
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
GO          ?= go
TIME        ?= 1m
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
GOLANGCI    := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
# Set by CI: then a skipped test is a failure, unless the file holds its reason.
REPORT      := $(GO) run ./e2e/testreport $(if $(filter true,$(CI)),-allow .ci/allowed-skips)
UNIT         = $$($(GO) list ./... | grep -v /e2e)
# What bpf2go makes: NAME_bpfel.go and .o.
PROGRAMS    := vfp/ebpf/vswitch vfp/classifier/kerneltest/classifier
GENERATED   := $(addsuffix _bpfel.go,$(PROGRAMS)) $(addsuffix _bpfel.o,$(PROGRAMS))

.PHONY: build test unit e2e bench lint generate generated demo fuzz conformance clean help
.DEFAULT_GOAL := help
# Tests measure and time: nothing runs beside them.
.NOTPARALLEL:

build: ## bin/fairlead, bin/fairlead-cni and bin/fairlead-nc
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/ ./cmd/...

test: unit e2e ## unit tests, and end-to-end tests where root allows; says what it skipped and why

unit: ## unit tests
	@deploy/install-deps.sh test || echo "going on without them: what needs them is skipped"
	$(GO) test -count=1 -json $(UNIT) | $(REPORT)

e2e: ## end-to-end tests: whole fabrics in network namespaces; needs root
	@deploy/install-deps.sh test || echo "going on without them: what needs them is skipped"
	$(GO) test -count=1 -p 1 -timeout 10m -json ./e2e/... | $(REPORT) -tests

demo: build ## the whole main job on this machine, ends with a table of checks; needs root
	deploy/install-deps.sh demo
	$(GO) run ./e2e/demo

bench: build ## side-by-side benchmarks; prints tables, writes bench/latest.json; needs root; BENCH=-quick takes 3 minutes
	deploy/install-deps.sh bench
	$(GO) run ./e2e/bench $(BENCH)

lint: generated ## vet, gofmt, golangci-lint, generated code up to date
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w" $$unformatted; exit 1; fi
	$(GOLANGCI) run ./...

generate: ## compile the eBPF programs and generate their Go side
	deploy/install-deps.sh generate
	$(GO) generate $(addprefix ./,$(dir $(PROGRAMS)))

generated: # generated code is what generating makes now; works outside git, too
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; cp --parents $(GENERATED) "$$before"; \
	$(MAKE) --no-print-directory generate; \
	for f in $(GENERATED); do cmp "$$before/$$f" "$$f" || { echo "$$f was not up to date: commit what make generate has made"; exit 1; }; done

fuzz: ## every fuzz target, each for TIME (default 1m)
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
	    echo "== $$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(TIME) $$package; \
	  done; \
	done

conformance: ## ask any Network Controller a script of requests: NC_URL=https://… [NC_CA= NC_CERT= NC_KEY= WRITE=1 RECORD= COMPARE=]
	$(GO) run ./cmd/fairlead-nc conformance $(if $(NC_URL),--url '$(NC_URL)' --read-only=$(if $(filter 1,$(WRITE)),false,true)) \
	  $(if $(NC_CA),--ca '$(NC_CA)') $(if $(NC_CERT),--cert '$(NC_CERT)') $(if $(NC_KEY),--key '$(NC_KEY)') \
	  $(if $(RECORD),--record '$(RECORD)') $(if $(COMPARE),--compare '$(COMPARE)')

clean: ## remove what make has made
	rm -rf bin bench/latest.json

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
