# Two commands for a newcomer: `make demo` and `make test`. Each sets up what is missing.
.POSIX:
.PHONY: demo test deps build lint deny help

# Where an ordinary user's copy of bubblewrap goes when nobody may install it for the system.
TOOLS := $(CURDIR)/target/tools
export PATH := $(PATH):$(TOOLS)/usr/bin
REATTEST := target/debug/reattest

help:
	@echo "make demo   a network on this machine rebuilds a real package and agrees"
	@echo "make test   every test, the lints, and the licences"

demo: build
	$(REATTEST) demo

test: lint build deny
	cargo test --workspace --locked

build: deps
	cargo build --workspace --locked

lint: deps
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

# Licences, bans and sources; advisories too where their database can be had.
deny:
	@if command -v cargo-deny >/dev/null; then \
	  cargo deny --offline check licenses bans sources; \
	  cargo deny check advisories || echo "skipped 1: the advisory database cannot be had"; \
	else echo "skipped 1: cargo-deny is not installed (cargo install --locked cargo-deny)"; fi

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
