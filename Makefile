# `make` prints the menu. What a target does stands in .ci/, one script a step.
.DEFAULT_GOAL := menu
.PHONY: menu run setup test check unit race modules wasm-test fuzz bench generate

FUZZTIME ?= 10s
BENCH    ?= .
export FUZZTIME

menu: ## this menu
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## start everything on this machine, with a demo to try; Ctrl-C stops it. ARGS=--help tells more
	@mkdir -p bin && go build -buildvcs=false -o bin/dev ./cmd/dev && exec bin/dev $(ARGS)

test: ## everything below, each step even after a failure, with a summary: what CI runs
	@.ci/test

setup: ## install what the tests need; names what it cannot install
	@.ci/setup

check: ## gofmt, vet and staticcheck (native and js/wasm), builds for js, android and ios, generated code current
	@.ci/check

unit: ## go test, shuffled
	@go test -shuffle=on -timeout 20m ./...

race: ## go test -short with the race detector
	@go test -race -short -shuffle=on -timeout 20m $$(go list ./... | grep -v /docs)

modules: ## the test-only modules of their own (Wycheproof), native and js/wasm
	@.ci/modules

wasm-test: ## the client side's tests under js/wasm, in Node
	@.ci/wasm-test

fuzz: ## every fuzz target for FUZZTIME (10s), one per processor at a time
	@.ci/fuzz

bench: ## the benchmarks; BENCH=regexp narrows
	@go test -run '^$$' -bench '$(BENCH)' -benchmem ./...

generate: ## write generated code anew
	@go generate ./...
