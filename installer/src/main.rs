//! The `rootless-install` command.

fn main() {}
