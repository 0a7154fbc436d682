# The commands of every day; each is a script or one cargo command.

.PHONY: all setup check test bench fidelity clean

all:
	cargo build --release

setup:
	scripts/setup

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	cargo test --workspace --lib --bins

test:
	scripts/test

bench: all
	cargo run --release --package rootless-install-tests --bin bench -- $(BENCH)

fidelity:
	scripts/fidelity $(FIDELITY)

clean:
	cargo clean
