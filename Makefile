# `make help` lists everything.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

NAME ?= dev
CARGO_DENY := 0.20.2
CARGO_FUZZ := 0.13.2
# What fuzz targets are built with; nothing else needs it.
FUZZ_TOOLCHAIN := nightly-2026-05-20
FUZZ_TARGETS := readers rego cel references images manifests blobs docker_configs challenges keys requests
SECONDS_EACH ?= 30
# Modules that a table of rules declares: cargo fmt does not see them.
IN_TABLES := $(wildcard crates/rules/src/security_policy/*.rs crates/rules/src/operation_policy/*.rs)
TOOLS_DIR := $(or $(GATEWRIGHT_TOOLS),$(CURDIR)/.tools)
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

# Commands name no package and have the same features: whatever differs in these would be built with other features of
# the dependencies, once again.
FEATURES := --features gatewright-e2e/cluster
PROGRAM := cargo run --quiet $(FEATURES) --bin
TEST := cargo test $(FEATURES)
# The tests of the crates; those of e2e/ need the tools.
CRATES_TESTS := $(patsubst %,--test %,$(notdir $(basename $(wildcard crates/*/tests/*.rs) \
	$(patsubst %/main.rs,%.rs,$(wildcard crates/*/tests/*/main.rs)))))
E2E_TESTS := --test gatekeeper --test engines --test scenarios

# Whoever has RUST_BACKTRACE set for panics would have one taken for each error as well, and the Rego parser makes errors
# of all the ways that it tries.
export RUST_LIB_BACKTRACE ?= 0

TIMES := $(TARGET_DIR)/test-times.md
# $(call timed,WHAT,COMMAND) runs a command and notes how long it took, for `make test-times`.
timed = @echo '$(2)'; begun=$$(date +%s); $(2); mkdir -p $(TARGET_DIR); \
	echo "| $(1) | $$(($$(date +%s) - begun)) |" >> $(TIMES)
# Targets that are made side by side. Each of them has a different compiler to wait for.
side_by_side = $(MAKE) --no-print-directory --jobs=2

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the whole path on a local cluster (KEEP=1 leaves it running; PART=signatures shows image signatures)
	@$(side_by_side) $(if $(PART),tools,cluster-tools) build
	$(PROGRAM) gatewright-demo -- $(if $(KEEP),--keep) $(PART)

.PHONY: first-run
first-run: ## Run the README's sessions as they stand, on a fresh local cluster (RECORD=1 writes what they print)
	@$(side_by_side) cluster-tools build
	$(PROGRAM) gatewright-first-run -- $(if $(RECORD),--record)

.PHONY: test
test: ## Run everything but the long scenarios of faults
	@rm -f $(TIMES); begun=$$(date +%s); \
	$(side_by_side) tools checks; \
	$(MAKE) --no-print-directory run-e2e; \
	echo "| all | $$(($$(date +%s) - begun)) |" >> $(TIMES)

# One after the other: cargo does one thing at a time.
.PHONY: checks
checks: tools-program
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory build-tests

.PHONY: test-unit
test-unit: ## Run the tests that need neither Go nor a cluster
	$(call timed,unit tests: compiling,$(TEST) --quiet --no-run --lib --bins $(CRATES_TESTS))
	$(call timed,unit tests: running,$(TEST) --quiet --lib --bins $(CRATES_TESTS))
	$(call timed,examples in the documentation,$(TEST) --quiet --doc)

.PHONY: test-e2e
test-e2e: ## Run Gatekeeper's engine on the rules, the scenarios on local clusters, and the demo
	@$(side_by_side) tools build-tests
	@$(MAKE) --no-print-directory run-e2e

.PHONY: run-e2e
run-e2e:
	$(call timed,gatekeeper,$(TEST) --test gatekeeper -- --test-threads=2)
	$(call timed,engines,$(TEST) --test engines -- --test-threads=2)
	$(call timed,scenarios,$(TEST) --test scenarios -- --test-threads=2)
	$(call timed,the demo,$(PROGRAM) gatewright-demo)
	$(call timed,the README,$(PROGRAM) gatewright-first-run)

.PHONY: build-tests
build-tests: build
	$(call timed,tests of e2e: compiling,$(TEST) --quiet --no-run $(E2E_TESTS))

# Elsewhere than in CI, whoever has no Chromium skips it.
.PHONY: test-report
test-report: ## Click through the page of `gatewright report --html` in Chromium, by keyboard (skipped where there is none)
	$(call timed,the page of report,$(TEST) --quiet --test page -- --ignored --nocapture)

.PHONY: test-faults
test-faults: ## Run the long scenarios of faults: killed, frozen, cut off, refused (8 minutes)
	@$(side_by_side) tools build
	$(call timed,faults,$(TEST) --test faults -- --test-threads=2)

# On each version: what is specific to the API server. A test that fails ends the target.
OLDER_KUBERNETES := 1.34 1.36
VERSIONS := $(TARGET_DIR)/test-versions.md
versions_tests = $(TEST) --test scenarios -- --test-threads=2
# $(call on,VERSION,WHAT,COMMAND) runs a command and notes that it passed.
on = @echo '$(3)'; $(3); echo '| $(1) | $(2) | passed |' >> $(VERSIONS)

.PHONY: test-versions
test-versions: ## Run the operator, rules and standards on other versions of Kubernetes, and meet a Gatekeeper that is too old
	@$(side_by_side) versions-tools build-tests
	@mkdir -p $(TARGET_DIR); printf '| version | scenarios | result |\n|---|---|---|\n' > $(VERSIONS)
	@$(MAKE) --no-print-directory $(addprefix on-kubernetes-,$(OLDER_KUBERNETES)) on-kubernetes-pinned on-gatekeeper-3.17
	@cat $(VERSIONS)

.PHONY: versions-tools
versions-tools: tools-program
	$(call timed,tools of other versions,$(TARGET_DIR)/debug/gatewright-tools versions)

.PHONY: on-kubernetes-%
on-kubernetes-%:
	$(call on,Kubernetes $*,operator,GATEWRIGHT_E2E_KUBERNETES=$(filter-out pinned,$*) $(versions_tests) operator::)
	$(call on,Kubernetes $*,policies,GATEWRIGHT_E2E_KUBERNETES=$(filter-out pinned,$*) $(versions_tests) api_server::)
	$(call on,Kubernetes $*,standards,GATEWRIGHT_E2E_KUBERNETES=$(filter-out pinned,$*) $(versions_tests) verdicts::)

.PHONY: on-gatekeeper-%
on-gatekeeper-%:
	$(call on,Gatekeeper $*,too old,$(versions_tests) --ignored versions::gatekeeper_$(subst .,_,$*))

.PHONY: test-times
test-times: ## Print how long each part of the last `make test` took
	@printf '| part | seconds |\n|---|---|\n'; cat $(TIMES)

.PHONY: test-differential
test-differential: tools ## Compare random templates, expressions and files with Gatekeeper and kubectl (GATEWRIGHT_CASES more, GATEWRIGHT_SEED others)
	GATEWRIGHT_CASES=$(or $(GATEWRIGHT_CASES),2000) $(TEST) --test gatekeeper -- templates:: cel:: --nocapture
	GATEWRIGHT_CASES=$(or $(GATEWRIGHT_CASES),20000) $(TEST) --test gatekeeper -- yaml:: --nocapture

# The targets have no unsafe code, so no sanitizer looks after them. New inputs go to the target folder.
.PHONY: fuzz
fuzz: $(TOOLS_DIR)/cargo-fuzz-$(CARGO_FUZZ)/bin/cargo-fuzz ## Give readers and compilers random inputs (SECONDS_EACH=30; ONLY=cel for one target)
	rustup toolchain install $(FUZZ_TOOLCHAIN) --profile minimal --no-self-update
	@for target in $(or $(ONLY),$(FUZZ_TARGETS)); do \
		mkdir -p $(TARGET_DIR)/fuzz/corpus/$$target; echo "== $$target"; \
		RUSTUP_TOOLCHAIN=$(FUZZ_TOOLCHAIN) $< run --fuzz-dir fuzz --target-dir $(TARGET_DIR)/fuzz --sanitizer none $$target \
			$(TARGET_DIR)/fuzz/corpus/$$target fuzz/corpus/$$target \
			-- -max_total_time=$(SECONDS_EACH) -timeout=20 -rss_limit_mb=2048 -max_len=2048 -verbosity=0 -print_final_stats=1; \
	done

$(TOOLS_DIR)/cargo-fuzz-$(CARGO_FUZZ)/bin/cargo-fuzz:
	cargo install --quiet --locked --root $(TOOLS_DIR)/cargo-fuzz-$(CARGO_FUZZ) cargo-fuzz@$(CARGO_FUZZ)

.PHONY: mutants
mutants: ## Change every rule in every place and see that a case notices (minutes; ONLY=seccomp for less)
	GATEWRIGHT_MUTANTS="$(ONLY)" RUST_BACKTRACE=0 $(TEST) --test mutants -- --ignored --nocapture

.PHONY: bench
bench: tools measured ## Measure what policies cost in Gatekeeper, and the command line beside gator (5 minutes)
	$(PROGRAM) gatewright-bench -- policies $(PART)

.PHONY: bench-scale
bench-scale: tools measured ## Measure how the operator bears 1,000 policies and 10,000 namespaces, on a local cluster (13 minutes)
	$(PROGRAM) gatewright-bench -- scale $(PART)

# As it is released, but for the link-time optimisation of the whole program, which takes minutes.
.PHONY: measured
measured:
	cargo build --quiet $(FEATURES) --profile measured --bin gatewright

.PHONY: lint
lint: deny ## Check formatting, lints, generated files, licences and sources
	cargo fmt --all --check
	rustfmt --check $(IN_TABLES)
	$(call timed,clippy,cargo clippy --workspace --all-targets --all-features --quiet -- --deny warnings)

.PHONY: deny
deny: $(TOOLS_DIR)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
	$< --log-level error check licenses bans sources

$(TOOLS_DIR)/cargo-deny-$(CARGO_DENY)/bin/cargo-deny:
	cargo install --quiet --locked --root $(TOOLS_DIR)/cargo-deny-$(CARGO_DENY) cargo-deny@$(CARGO_DENY)

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all
	rustfmt $(IN_TABLES)

.PHONY: build
build: tools-program ## Build the gatewright binary for development, and the programs of e2e
	$(call timed,programs: compiling,cargo build --quiet $(FEATURES) --bin gatewright --bin gatewright-e2e --bin gatewright-demo \
		--bin gatewright-first-run)

.PHONY: tools
tools: tools-program ## Build what tests need beside Rust, where missing (about 15 minutes the first time)
	$(call timed,tools,$(TARGET_DIR)/debug/gatewright-tools)

.PHONY: cluster-tools
cluster-tools: tools-program
	@$(TARGET_DIR)/debug/gatewright-tools cluster

# Built first and alone, so that Go's compiler has work while Rust's builds everything else.
.PHONY: tools-program
tools-program:
	@cargo build --quiet $(FEATURES) --bin gatewright-tools

.PHONY: cluster-up
cluster-up: cluster-tools ## Start a local cluster that stays (NAME=dev)
	$(PROGRAM) gatewright-e2e -- up --name $(NAME)

.PHONY: cluster-down
cluster-down: ## Stop a local cluster, in whatever state it is (NAME=dev)
	$(PROGRAM) gatewright-e2e -- down --name $(NAME)

# What the image and a release are made of.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
PLATFORMS ?= amd64 arm64
TARGET_amd64 := x86_64-unknown-linux-musl
TARGET_arm64 := aarch64-unknown-linux-musl
TARGETS = $(foreach platform,$(PLATFORMS),$(TARGET_$(platform)))
image image-binaries release: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
IMAGE_BINARY = $(TARGET_DIR)/$(TARGET_$(1))/packed/gatewright
RELEASE_FILES := $(TARGET_DIR)/release-files
CARGO_AUDITABLE := 0.7.7
CARGO_ZIGBUILD := 0.24.1
CARGO_CYCLONEDX := 0.5.9
ZIGLANG := 0.17.1
ZIG := $(TOOLS_DIR)/ziglang-$(ZIGLANG)/ziglang/zig
IMAGE_TOOLS := $(TOOLS_DIR)/cargo-auditable-$(CARGO_AUDITABLE)/bin/cargo-auditable \
	$(TOOLS_DIR)/cargo-zigbuild-$(CARGO_ZIGBUILD)/bin/cargo-zigbuild
CYCLONEDX := $(TOOLS_DIR)/cargo-cyclonedx-$(CARGO_CYCLONEDX)/bin/cargo-cyclonedx

$(IMAGE_TOOLS) $(CYCLONEDX):
	cargo install --quiet --locked --root $(patsubst %/bin/,%,$(dir $@)) \
		$(notdir $@)@$(lastword $(subst -, ,$(notdir $(patsubst %/bin/,%,$(dir $@)))))

# ring and mimalloc are C: zig's compiler makes both for both platforms, and static.
$(ZIG):
	python3 -m pip install --quiet --target $(TOOLS_DIR)/ziglang-$(ZIGLANG) ziglang==$(ZIGLANG)

.PHONY: image-binaries
image-binaries: $(IMAGE_TOOLS) $(ZIG) ## Build the static binaries of the image (PLATFORMS="amd64 arm64", minutes for each)
	rustup target add $(TARGETS)
	@for target in $(TARGETS); do \
		echo "cargo auditable zigbuild --target $$target"; \
		PATH="$(subst $(eval) ,:,$(dir $(IMAGE_TOOLS))):$$PATH" CARGO_ZIGBUILD_ZIG_PATH=$(ZIG) \
		RUSTFLAGS="--remap-path-prefix=$(CURDIR)=/gatewright --remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo" \
		cargo auditable zigbuild --quiet --locked --profile packed --bin gatewright --target $$target; \
	done

.PHONY: image
image: image-binaries image-tools sbom ## Make the image, an OCI layout in target/image (PLATFORMS="amd64 arm64")
	$(PROGRAM) gatewright-image -- --layout $(TARGET_DIR)/image \
		$(foreach platform,$(PLATFORMS),$(platform)=$(call IMAGE_BINARY,$(platform)))

.PHONY: image-tools
image-tools: tools-program
	@$(TARGET_DIR)/debug/gatewright-tools image

# cargo-cyclonedx writes beside each Cargo.toml.
.PHONY: sbom
sbom: $(CYCLONEDX)
	@mkdir -p $(RELEASE_FILES)
	@for platform in $(PLATFORMS); do \
		case $$platform in amd64) target=$(TARGET_amd64);; *) target=$(TARGET_arm64);; esac; \
		PATH="$(dir $(CYCLONEDX)):$$PATH" cargo cyclonedx --quiet --format json --target $$target --override-filename sbom; \
		mv crates/gatewright/sbom.json $(RELEASE_FILES)/gatewright-linux-$$platform.cdx.json; \
		rm -f crates/*/sbom.json e2e/sbom.json e2e/tools/sbom.json; \
	done

.PHONY: image-push
image-push: ## Push target/image to a registry that you are logged in to (REPOSITORY=registry.example.com/gatewright)
	@[[ -n "$(REPOSITORY)" ]] || { echo 'say where to: make image-push REPOSITORY=registry.example.com/gatewright' >&2; exit 2; }
	$(TOOLS_DIR)/bin/crane push $(TARGET_DIR)/image $(REPOSITORY):$(VERSION)

.PHONY: image-test
image-test: image ## Test the image: its layout, static, packed twice, pushed and pulled, run (PLATFORMS="amd64 arm64")
	GATEWRIGHT_PLATFORMS="$(PLATFORMS)" $(TEST) --test image -- --nocapture

.PHONY: image-twice
image-twice: image-binaries ## Build the binaries twice and compare them (twice the minutes)
	@sha256sum $(foreach platform,$(PLATFORMS),$(call IMAGE_BINARY,$(platform))) > $(TARGET_DIR)/image.sums
	rm -rf $(foreach target,$(TARGETS),$(TARGET_DIR)/$(target)/packed)
	@$(MAKE) --no-print-directory image-binaries
	sha256sum --check $(TARGET_DIR)/image.sums

.PHONY: chart
chart: cluster-tools ## Package the chart, target/release-files/gatewright-VERSION.tgz
	@mkdir -p $(RELEASE_FILES)
	$(TOOLS_DIR)/bin/helm package --destination $(RELEASE_FILES) deploy/charts/gatewright

.PHONY: release
release: image chart ## Fill target/release-files with everything that a release has, and SHA256SUMS
	./deploy/release "$(PLATFORMS)" $(TARGET_DIR) $(RELEASE_FILES)

.PHONY: install-offline-test
install-offline-test: tools-program ## Install from target/release-files and target/image without a network (unshare -rn make install-offline-test)
	ip link set lo up 2>/dev/null || true
	$(TEST) --offline --test offline -- --nocapture

.PHONY: generated
generated: ## Write what is generated from the code: CRDs, rights, the chart, documentation, and compiled templates
	$(PROGRAM) gatewright -- crds --output-dir crds
	$(PROGRAM) gatewright -- generate-docs --output-dir docs/rules --json-dir docs/json
	$(PROGRAM) gatewright -- compile-templates --output-dir crates/gatewright/compiled
	@$(MAKE) --no-print-directory cluster-tools
	$(PROGRAM) gatewright-generate

.PHONY: fixtures
fixtures: tools-program ## Make the signatures again that tests read, with new keys (builds an old cosign, too)
	$(TARGET_DIR)/debug/gatewright-tools fixtures
	./crates/signatures/tests/fixtures/make.sh $(TOOLS_DIR)

.PHONY: clean
clean: ## Remove what was built; the tools in .tools stay
	cargo clean
