# SPDX-License-Identifier: GPL-2.0-or-later
# A thin wrapper: Meson and ninja do the building. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=

all: configure ## build everything
	ninja -C $(BUILD)

configure:
	@scripts/configure $(BUILD) $(PREFIX)

deps: ## install the distribution's packages that are missing (apt)
	@scripts/install-dependencies build run test check

demo: ## build, and show the filter at work in three network namespaces (root)
	@scripts/install-dependencies build run demo
	@$(MAKE) --no-print-directory all
	@demo/run $(BUILD)

test: ## build and run all tests (root)
	@scripts/install-dependencies build run test
	@$(MAKE) --no-print-directory all
	@tests/run --build $(BUILD)

bench: ## build, and measure beside iptables-legacy and nftables, in minutes (root)
	@$(MAKE) --no-print-directory bench-with OPTIONS=

bench-full: ## the same with all sizes and rounds: takes half an hour (root)
	@$(MAKE) --no-print-directory bench-with OPTIONS=--full

bench-with:
	@scripts/install-dependencies build run bench
	@$(MAKE) --no-print-directory all
	@bench/run --build $(BUILD) $(OPTIONS)
	@bench/plot

install: all ## install below $(DESTDIR)$(PREFIX)
	meson install -C $(BUILD) --no-rebuild --quiet --destdir '$(abspath $(DESTDIR))'

uninstall: configure ## remove exactly what install has put there
	@scripts/uninstall $(BUILD) '$(DESTDIR)'

format: ## write the C sources in the project's style
	@scripts/check-format --fix

check: configure ## check the format, and the C sources statically
	@scripts/check-format
	@scripts/check-sources $(BUILD)

clean: ## remove the build directories
	rm -rf $(BUILD) $(BUILD)-sanitize

help:
	@sed -n 's/^\([a-z-]*\):.* ## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

.PHONY: all configure deps demo test bench bench-full bench-with install uninstall format check clean help
