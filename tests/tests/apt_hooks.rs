//! The target's own configuration of apt: its hooks run when apt would run them, and are told what apt tells them.

use std::ffi::OsString;

use rootless_install_tests::base::program;
use rootless_install_tests::deb::Package;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// Hooks of every kind. They write what they see into files of /var/lib.
const HOOKS: &str = r#"
APT::Install::Pre-Invoke { "echo install-pre >>/var/lib/order"; };
DPkg::Pre-Invoke { "echo pre $PWD $DPKG_FRONTEND_LOCKED >>/var/lib/order"; "echo again >>/var/lib/order"; };
DPkg::Pre-Install-Pkgs { "/usr/sbin/first --apt || true"; "/usr/sbin/second"; "/usr/sbin/third x"; };
DPkg::Tools::Options::/usr/sbin/second { Version "2"; InfoFD "5"; };
DPkg::Tools::Options::/usr/sbin/third { Version "3"; InfoFD "20"; };
DPkg::Post-Invoke:: "echo post >>/var/lib/order";
APT::Install::Post-Invoke-Success:: "echo success >>/var/lib/order";
APT::Update::Pre-Invoke:: "echo update-pre >>/var/lib/order";
APT::Update::Post-Invoke-Success:: "echo never >>/var/lib/order";
APT::Update::Post-Invoke:: "echo update-post >>/var/lib/order";
"#;

/// Reads each file that it is told of.
const FIRST: &str = r#"#!/bin/sh
set -e
echo "told $PWD $# $APT_HOOK_INFO_FD" >>/var/lib/order
while read -r file; do
    head -c 7 "$file"
    echo " $file"
done >/var/lib/first
exit 3
"#;

fn told(descriptor: u32, to: &str) -> String {
    format!(
        "#!/bin/sh\nset -e\ntest \"$APT_HOOK_INFO_FD\" = {descriptor}\ncat /proc/self/fd/{descriptor} >/var/lib/{to}\n"
    )
}

/// An essential package with hooks, in a file of apt.conf.d.
fn hooks(file: &str, text: &str) -> Result<Package> {
    Ok(package("hooks")?
        .essential()
        .file(&format!("etc/apt/apt.conf.d/{file}"), text, 0o644)
        .file("usr/sbin/first", FIRST, 0o755)
        .file("usr/sbin/second", told(5, "second"), 0o755)
        .file("usr/sbin/third", told(20, "third"), 0o755))
}

/// A package that is installed by apt, and one that it needs before.
fn installed() -> Result<[Package; 2]> {
    let mut own = package("own")?
        .field("Pre-Depends", "needed")
        .field("Multi-Arch", "foreign")
        .script(
            "postinst",
            "#!/bin/sh\necho own >>/var/lib/order\nls /var/cache/apt/archives >/var/lib/archives\n",
        );
    own.version = "1:2.0-1".to_owned();
    Ok([own, package("needed")?])
}

fn arguments(archive: &Synthetic, imitated: &str) -> Vec<OsString> {
    let mut arguments = archive.options();
    arguments.extend(["--variant=essential", "--include=own", "--imitate", imitated].map(Into::into));
    arguments.push(archive.work.out("target").into());
    arguments
}

scenario!(
    /// Every list at its moment, the protocol in its three versions, on the descriptor asked for, with package files
    /// that can be read; nothing of it is left.
    hooks_run_when_apt_would_run_them, CONFIGURE, {
    let mut packages = program("bash", "usr/bin/bash")?;
    for bash in packages.iter_mut().filter(|package| package.name == "bash") {
        *bash = bash.clone().essential();
    }
    packages.push(hooks("70hooks", HOOKS)?);
    packages.extend(installed()?);
    let archive = Synthetic::with(&packages)?;
    let arch = archive.foreign().debian;
    archive.work.run(arguments(&archive, "mmdebstrap-1.3.5")).end()?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(
        read(&target, "var/lib/order"),
        "install-pre\npre /tmp true\nagain\ntold / 1 0\nown\npost\nsuccess\n"
    );
    let path = |package: &str| format!("/var/cache/apt/archives/{package}_{arch}.deb");
    let (needed, own) = (path("needed_1.0-1"), path("own_1%3a2.0-1"));
    assert_eq!(read(&target, "var/lib/first"), format!("!<arch> {needed}\n!<arch> {own}\n"));
    let second = read(&target, "var/lib/second");
    assert!(second.starts_with("VERSION 2\n"), "{second}");
    assert!(second.contains(&format!("\nAPT::Architecture={arch}\n")), "{second}");
    assert!(second.contains("\nDPkg::Post-Invoke::=echo%20post%20>>/var/lib/order\n"), "{second}");
    assert!(
        second.ends_with(&format!(
            "\n\nneeded - < 1.0-1 {needed}\nneeded - < 1.0-1 **CONFIGURE**\nown - < 1:2.0-1 {own}\n\
             own - < 1:2.0-1 **CONFIGURE**\n"
        )),
        "{second}"
    );
    let third = read(&target, "var/lib/third");
    assert!(
        third.contains(&format!("\nown - - none < 1:2.0-1 {arch} foreign {own}\n")),
        "{third}"
    );
    assert!(read(&target, "var/lib/archives").contains("own_1%3a2.0-1"));
    // What is there while apt runs only.
    let left = |directory: &str| {
        let entries = std::fs::read_dir(target.join(directory)).expect("a directory");
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(left("var/cache/apt/archives"), ["lock", "partial"]);
    assert_eq!(left("etc/apt/apt.conf.d"), ["70hooks"]);
});

scenario!(
    /// Later releases of mmdebstrap empty the list of hooks that are told, but for what comes after their own file, and
    /// update apt's lists in the target.
    the_release_decides_which_hooks_run, CONFIGURE, {
    let late = HOOKS.replace("DPkg::Pre-Install-Pkgs {", "DPkg::Ignored {");
    let late = format!("{late}DPkg::Pre-Install-Pkgs:: \"/usr/sbin/first || true\";\n");
    for (file, text, told) in [("70hooks", HOOKS, ""), ("99late", &late, "told / 0 0\n")] {
        let [own, needed] = installed()?;
        let archive = Synthetic::with(&[hooks(file, text)?, own, needed])?;
        archive.work.run(arguments(&archive, "mmdebstrap-1.5.7")).end()?.succeeded();
        let target = archive.work.out("target");
        assert_eq!(
            read(&target, "var/lib/order"),
            format!("install-pre\npre /tmp true\nagain\n{told}own\npost\nsuccess\nupdate-pre\nupdate-post\n"),
            "{file}"
        );
    }
});

scenario!(
    /// A hook that fails ends the run, by its name and that of its list; a mistake in a file does not.
    a_hook_that_fails_is_named, CONFIGURE, {
    let [own, needed] = installed()?;
    let text = "DPkg::Post-Invoke { \"echo so it goes; exit 7\"; };\nDPkg::Pre-Invoke { \"x\" y z; };\n";
    let archive = Synthetic::with(&[hooks("70hooks", text)?, own, needed])?;
    let run = archive.work.run(arguments(&archive, "mmdebstrap-1.5.7")).end()?;
    run.failed_with(&["DPkg::Post-Invoke", "exit 7", "exit status 7", "so it goes"]);
    assert!(run.stderr.contains("70hooks:2: "), "{}", run.stderr);
    assert!(!archive.work.out("target").exists());
    let wrong = archive.work.run(arguments(&archive, "debootstrap-1.0")).end()?;
    wrong.failed_with(&["--imitate", "mmdebstrap-1.3.5"]);
});
