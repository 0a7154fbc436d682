# The commands of every day; each is a script or some cargo commands.

.PHONY: all setup check doc deny package test bench fidelity clean

all:
	cargo build --release

setup:
	scripts/setup

# Formatting, lints, unit tests and documentation.
check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo test --workspace --lib --bins
	$(MAKE) doc

doc:
	RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --document-private-items

deny:
	scripts/deny

package:
	cargo package --workspace --exclude rootless-install-tests --allow-dirty

test:
	scripts/test

bench: all
	cargo run --release --package rootless-install-tests --bin bench -- $(BENCH)

fidelity:
	scripts/fidelity $(FIDELITY)

clean:
	cargo clean
