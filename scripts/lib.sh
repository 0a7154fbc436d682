# shellcheck shell=sh
# What the scripts share. Sourced, not run; the working directory is the workspace's.

say() { printf '%s\n' "$*" >&2; }
die() { say "$0: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Begins a step of a script that has a directory $work. What the steps have taken is in $work/steps.
step() {
	end_step
	step=$*
	cpu_seconds
	began=$(date +%s) cpu_began=$cpu
	say
	say "== $step"
}

end_step() {
	[ -n "${step:-}" ] || return 0
	cpu_seconds
	[ -s "$work/steps" ] || printf '\nseconds  processors  step\n' >"$work/steps"
	printf '%7s  %10s  %s\n' $(($(date +%s) - began)) $((cpu - cpu_began)) "$step" >>"$work/steps"
	step=
}

# Sets $cpu to the seconds that processors have worked for what this shell has started and that has
# ended. Not in a subshell, which has started nothing.
cpu_seconds() {
	times >"$work/times"
	cpu=$(awk -F '[ms ]' 'NR == 2 { printf "%d", $1 * 60 + $2 + $4 * 60 + $5 }' "$work/times")
}

# The crates of the workspace, but for the tests, one a line.
own_crates() {
	cargo tree --locked --workspace --depth 0 --prefix none --format '{p}' |
		sed -n 's/ v[0-9].*//p' | sort -u | grep -vx rootless-install-tests
}

# Options of cargo with which tests check arithmetic and assertions of the workspace's own crates. Without optimisation
# they are compiled in a third of the time, which is not felt when they run: the program that end-to-end tests run is
# compiled without these. Dependencies are the same for both.
checked() {
	printf ' --config profile.release.package.rootless-install-tests.opt-level=0'
	own_crates | while read -r package; do
		for option in debug-assertions=true overflow-checks=true opt-level=0; do
			printf ' --config profile.release.package.%s.%s' "$package" "$option"
		done
	done
}

lint() { cargo clippy --release --locked --workspace --all-targets -- --deny warnings; }

document() {
	RUSTDOCFLAGS='--deny warnings' cargo doc --release --locked --workspace --no-deps --document-private-items
}

# Runs a command as root.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "this needs root: $* (install sudo, or run the script as root)"
	fi
}

# The oldest Rust that compiles this workspace.
rust_needed() { sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml; }

# Whether version $1 is at least $2.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Puts a cargo that is new enough first in PATH; fails if there is none.
use_cargo() {
	for dir in '' "$HOME/.cargo/bin" /usr/local/cargo/bin /usr/bin; do
		cargo=${dir:+$dir/}cargo rustc=${dir:+$dir/}rustc
		if ! have "$cargo" || ! have "$rustc"; then continue; fi
		version=$("$rustc" --version 2>/dev/null | cut -d ' ' -f 2) || continue
		if [ -z "$version" ] || ! at_least "$version" "$(rust_needed)"; then continue; fi
		PATH=${dir:+$dir:}$PATH
		export PATH
		return 0
	done
	return 1
}

# Runs apt-get without questions.
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 "$@" </dev/null >&2; }

# Installs those of the given packages that are missing.
install_packages() {
	missing=
	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	update_once
	say "installing$missing"
	# shellcheck disable=SC2086 # a list of names
	apt install --no-install-recommends $missing
}

updated=
update_once() {
	[ -z "$updated" ] || return 0
	apt update || say "$0: apt-get update failed; going on with the package lists there are"
	updated=yes
}

# What tests use and the program does not: mmdebstrap with emulation, readers of images, and for root
# an ordinary user.
install_reference_tools() {
	install_packages acl cpio skopeo umoci docker-registry grub-common qemu-utils binutils qemu-system-x86 btrfs-progs xfsprogs
	case $(dpkg --print-architecture) in amd64 | i386) install_packages grub-efi-amd64-bin ;; esac
	install_packages mmdebstrap bdebstrap arch-test qemu-user-static binfmt-support fakeroot attr libcap2-bin gzip xz-utils zstd bzip2 openssl
	if [ "$(id -u)" -eq 0 ]; then
		id ritest >/dev/null 2>&1 || useradd --create-home --shell /bin/sh ritest
		scripts/setup --user ritest
	fi
}
