# The commands of every day; each is a script or some cargo commands.

.PHONY: all setup check deny package test bench boots callers choice fidelity dpkg-tests fstests fuzz kills pjdfstest clean

all:
	cargo build --release

setup:
	scripts/setup

# Formatting, lints, unit tests and documentation.
check:
	scripts/check

deny:
	scripts/deny

package:
	cargo package --workspace --allow-dirty --config 'patch.crates-io.fuser.path="third-party/fuser"'

test:
	scripts/test

bench: all
	cargo run --release --package rootless-install-tests --bin bench -- $(BENCH)

# Systems of several architectures in qemu; may be stopped and begun again.
boots: all
	scripts/boots $(BOOTS)

# Requests to apt and to this program, which should choose the same; may be stopped and begun again.
choice:
	scripts/choice $(CHOICE)

# Programs that call mmdebstrap; as root, may be stopped and begun again.
callers: all
	scripts/callers $(CALLERS)

fidelity:
	scripts/fidelity $(FIDELITY)

# Each parser with mutated inputs, for five minutes each; may be stopped and begun again.
fuzz:
	scripts/fuzz $(FUZZ)

# The assertions of pjdfstest on a tmpfs and in the view.
pjdfstest:
	scripts/pjdfstest

# fsx, fsstress and xfstests on a mounted target; may be stopped and begun again.
fstests: all
	scripts/fstests $(FSTESTS)

# apt and dpkg killed in a target at random moments; may be stopped and begun again.
kills: all
	scripts/kills $(KILLS)

dpkg-tests:
	scripts/dpkg-tests $(DPKG_TESTS)

clean:
	cargo clean
