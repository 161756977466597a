# `make help` lists everything.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

NAME ?= dev
CARGO_DENY := 0.20.2
E2E := cargo run --quiet --bin gatewright-e2e --
# Commands name no package: what each selects would be built with other features of the dependencies, once again.
SCENARIOS := cargo test --features gatewright-e2e/cluster
TOOLS_DIR := $(or $(GATEWRIGHT_TOOLS),$(CURDIR)/.tools)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools build ## Show the whole path on a local cluster (KEEP=1 leaves it running)
	cargo run --quiet --bin gatewright-demo -- $(if $(KEEP),--keep)

.PHONY: test
test: lint test-unit test-e2e ## Run everything but the long scenarios of faults

.PHONY: test-unit
test-unit: ## Run the tests that need neither Go nor a cluster
	cargo test --quiet

.PHONY: test-e2e
test-e2e: tools build ## Run the scenarios on local clusters, and the demo
	$(SCENARIOS) --test gatekeeper --test engines --test scenarios -- --test-threads=2
	cargo run --quiet --bin gatewright-demo

.PHONY: test-faults
test-faults: tools build ## Run the long scenarios of faults: killed, frozen, cut off, refused (8 minutes)
	$(SCENARIOS) --test faults -- --test-threads=2

.PHONY: mutants
mutants: ## Change every rule in every place and see that a case notices (minutes; ONLY=seccomp for less)
	GATEWRIGHT_MUTANTS="$(ONLY)" RUST_BACKTRACE=0 cargo test --test mutants -- --ignored --nocapture

.PHONY: bench
bench: tools ## Measure what policies cost in Gatekeeper, and the command line beside gator (5 minutes)
	cargo build --quiet --release --package gatewright
	cargo run --quiet --bin gatewright-bench -- policies $(PART)

.PHONY: bench-scale
bench-scale: tools ## Measure how the operator bears 1,000 policies and 10,000 namespaces, on a local cluster (13 minutes)
	cargo build --quiet --release --package gatewright
	cargo run --quiet --bin gatewright-bench -- scale $(PART)

.PHONY: lint
lint: deny ## Check formatting, lints, generated files, licences and sources
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --quiet -- --deny warnings

.PHONY: deny
deny: $(TOOLS_DIR)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
	$< --log-level error check licenses bans sources

$(TOOLS_DIR)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny:
	cargo install --quiet --locked --root $(TOOLS_DIR)/cargo-deny-$(CARGO_DENY) cargo-deny@$(CARGO_DENY)

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: build
build: ## Build the gatewright binary for development
	cargo build --quiet --bin gatewright --bin gatewright-e2e

.PHONY: tools
tools: ## Build what local clusters consist of, where missing (about 10 minutes the first time)
	$(E2E) tools

.PHONY: cluster-up
cluster-up: tools ## Start a local cluster that stays (NAME=dev)
	$(E2E) up --name $(NAME)

.PHONY: cluster-down
cluster-down: ## Stop a local cluster, in whatever state it is (NAME=dev)
	$(E2E) down --name $(NAME)

.PHONY: generated
generated: ## Write what is generated from the code: crds/ and docs/rules/
	cargo run --quiet --bin gatewright -- crds --output-dir crds
	cargo run --quiet --bin gatewright -- docs --output-dir docs/rules

.PHONY: clean
clean: ## Remove what was built; the tools in .tools stay
	cargo clean
