# Two commands for a newcomer: `make demo` and `make test`. Each sets up what is missing.
.POSIX:
.PHONY: demo test coverage oracles deps build lint deny help fuzz fuzz-corpus bench sim

# Where an ordinary user's copy of bubblewrap goes when nobody may install it for the system.
TOOLS := $(CURDIR)/target/tools
export PATH := $(PATH):$(TOOLS)/usr/bin
REATTEST := target/debug/reattest

help:
	@echo "make demo   a network on this machine rebuilds a real package and agrees"
	@echo "make test   every test, the lints, and the licences"
	@echo "make coverage  real packages, rebuilt one by one, as a table (PACKAGES=... for some)"
	@echo "make oracles  the verifiers that other people wrote, on what we emit"
	@echo "make fuzz   hostile bytes against every decoder, FUZZ_SECONDS=60 each"
	@echo "make sim    200 simulated worlds, each decided by a seed; SEEDS=1000 FROM=5000 for others"
	@echo "make bench  how fast it is, side by side with others, in release builds"

demo: build
	$(REATTEST) demo

test: lint build deny test-tools
	@tests/oracles/install --quick
	cargo test --workspace --locked

# Everything that other people wrote to verify what we emit; a tool that is missing then fails.
oracles: build
	tests/oracles/install
	REATTEST_ORACLES=required cargo test --locked -p reattest-tests --test reattest -- oracles emitted

# Real packages and their outcomes; takes minutes, and fetches what is missing from the mirror.
coverage: build
	cargo run --locked --quiet -p reattest-tests --bin coverage -- $(PACKAGES)

build: deps
	cargo build --workspace --locked

lint: deps
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo check --manifest-path tests/fuzz/Cargo.toml --target-dir target/fuzz --locked

# Hostile bytes against every decoder. The fuzzers begin from the committed corpus and the vectors,
# and keep what they find in target/fuzz; RUSTC_BOOTSTRAP lets a stable compiler instrument code.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= statement envelope checkpoint proof bundle evidence policy codec apt lockfile document normalize report network queue
FUZZ := RUSTC_BOOTSTRAP=1 cargo fuzz
FUZZ_WHERE := --fuzz-dir tests/fuzz --target-dir target/fuzz

fuzz: fuzz-tools
	$(FUZZ) build $(FUZZ_WHERE)
	@set -e; for target in $(FUZZ_TARGETS); do \
	  mkdir -p target/fuzz/corpus/$$target tests/fuzz/corpus/$$target; log=target/fuzz/$$target.log; \
	  $(FUZZ) run $(FUZZ_WHERE) $$target target/fuzz/corpus/$$target tests/fuzz/corpus/$$target \
	    tests/vectors/accepted tests/vectors/refused -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
	    -rss_limit_mb=2048 -artifact_prefix=target/fuzz/found-$$target- >$$log 2>&1 \
	    || { tail -n 60 $$log; echo "error: $$target found a fault; keep its input in tests/fuzz/corpus/$$target" >&2; exit 1; }; \
	  echo "$$target: $$(grep -o 'cov: [0-9]*' $$log | tail -n 1), $$(tail -n 1 $$log)"; \
	done

# Adds to the committed corpus what the fuzzers found since and it does not cover yet, if it is small.
fuzz-corpus: fuzz-tools
	@set -e; for target in $(FUZZ_TARGETS); do \
	  mkdir -p target/fuzz/corpus/$$target target/fuzz/small/$$target tests/fuzz/corpus/$$target; \
	  find target/fuzz/corpus/$$target -type f -size -3k -exec cp -t target/fuzz/small/$$target {} +; \
	  $(FUZZ) run $(FUZZ_WHERE) $$target tests/fuzz/corpus/$$target target/fuzz/small/$$target -- -set_cover_merge=1 -use_counters=0 2>&1 \
	    | grep 'MERGE-OUTER: [0-9]* new'; \
	done
	REATTEST_BLESS=1 cargo test --locked -p reattest-tests --test reattest fuzz_corpus

.PHONY: fuzz-tools
fuzz-tools: deps
	@command -v c++ >/dev/null || $(MAKE) --no-print-directory install PACKAGES=build-essential
	@command -v cargo-fuzz >/dev/null || { \
	  echo "note: cargo-fuzz is not installed; building it in target/tools takes a minute or two"; \
	  cargo install --locked --quiet --root $(TOOLS)/usr cargo-fuzz; }

# Worlds that a seed decides each. Every failure names its seed: reattest-simulations SEED runs it again.
SEEDS ?= 200
FROM ?= 1

sim: build
	target/debug/reattest-simulations seeds --count $(SEEDS) --from $(FROM)

# Ratios of release builds, measured in one run; the first time builds everything again, optimized.
bench: deps
	@echo "note: a release build comes first, 8 to 10 minutes on two cores when nothing is built yet"
	cargo build --release --locked -p reattest -p reattest-tests --bin reattest --bench ratios
	cargo bench --locked -p reattest -p reattest-tests --bin reattest --bench ratios -- $(BENCH)

# Licences, bans and sources; advisories too where their database can be had.
deny:
	@if command -v cargo-deny >/dev/null; then \
	  cargo deny --offline check licenses bans sources; \
	  cargo deny check advisories || echo "skipped 1: the advisory database cannot be had"; \
	else echo "skipped 1: cargo-deny is not installed (cargo install --locked cargo-deny)"; fi

# Keys in an SSH agent and in a PKCS#11 token, a signed archive, address translation; tests without them are counted as skipped.
.PHONY: test-tools
test-tools:
	@command -v ssh-agent >/dev/null || $(MAKE) -s --no-print-directory install PACKAGES=openssh-client || true
	@command -v gpg >/dev/null || $(MAKE) -s --no-print-directory install PACKAGES=gnupg || true
	@command -v softhsm2-util >/dev/null || $(MAKE) -s --no-print-directory install PACKAGES=softhsm2 || true
	@command -v iptables >/dev/null || command -v nft >/dev/null || $(MAKE) -s --no-print-directory install PACKAGES=nftables || true

# Rust itself, a C compiler (xz), bubblewrap (the sandbox), the archive's keys.
deps:
	@command -v cargo >/dev/null || { echo "error: no cargo; needed Rust 1.95: https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || $(MAKE) --no-print-directory install PACKAGES=build-essential
	@test -e /usr/share/keyrings/debian-archive-keyring.gpg || $(MAKE) --no-print-directory install PACKAGES=debian-archive-keyring
	@command -v bwrap >/dev/null || $(MAKE) -s --no-print-directory install PACKAGES=bubblewrap 2>/dev/null \
	  || $(MAKE) -s --no-print-directory unpack-bubblewrap

.PHONY: install unpack-bubblewrap
install:
	@set -e; \
	if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as="sudo -n"; \
	else echo "note: $(PACKAGES) is not installed, and only root may; run: apt-get install $(PACKAGES)" >&2; exit 1; fi; \
	$$as apt-get install -qq -y $(PACKAGES) >/dev/null 2>&1 || { $$as apt-get update -qq && $$as apt-get install -qq -y $(PACKAGES) >/dev/null; }

unpack-bubblewrap:
	@mkdir -p $(TOOLS) && cd $(TOOLS) && apt-get download -qq bubblewrap && dpkg-deb -x bubblewrap_*.deb . && rm -f bubblewrap_*.deb \
	  && echo "note: bubblewrap is unpacked in target/tools, for this directory only" \
	  || { echo "error: no bubblewrap and no way to install it; ask an administrator for: apt-get install bubblewrap" >&2; exit 1; }
