//! Targets whose packages do not merge /usr themselves, as up to Debian 12.

use std::path::Path;

use rootless_install_tests::archive::Publish;
use rootless_install_tests::base;
use rootless_install_tests::deb::Package;
use rootless_install_tests::program::Outcome;
use rootless_install_tests::synthetic::{Synthetic, package, read};
use rootless_install_tests::{Result, scenario};

/// What usrmerge does, much shortened: with links to the moved files first, so that
/// tools can be called all the while.
const CONVERT: &str = "#!/bin/sh\nset -ex\n\
    for dir in bin sbin lib; do\n\
      [ -L /$dir ] && continue\n\
      mkdir -p /usr/$dir; cp -a /$dir/. /usr/$dir/; mv /$dir /$dir~\n\
      ln -s usr/$dir /$dir; rm -rf /$dir~\n\
    done\n\
    [ ! -e /lib32 ]\n\
    for dir in lib64 lib32; do if [ -e /$dir ]; then rm -v /$dir; rmdir -v /usr/$dir || true; fi; done\n";

/// The base packages of an unmerged suite, with what merges them, and a package in
/// `/lib` and `/bin`.
fn unmerged(more: &[Package]) -> Result<Synthetic> {
    let mut packages = base::unmerged()?;
    packages.extend([
        package("init")?
            .essential()
            .field("Depends", "usrmerge | usr-is-merged"),
        package("usrmerge")?.script("postinst", CONVERT),
        package("usr-is-merged")?.script("postinst", "#!/bin/sh\nset -e\necho $* >/var/lib/is-merged\n"),
        package("tool")?
            .file("bin/tool-data", "data", 0o644)
            .file("lib/tool/file", "file", 0o644)
            .script(
                "postinst",
                "#!/bin/sh -e\ncat /lib/tool/file /bin/tool-data >/var/lib/tool\n/bin/dash -c 'echo ran'\n",
            ),
    ]);
    packages.extend_from_slice(more);
    Synthetic::exactly(&Publish::default(), &packages)
}

fn install(archive: &Synthetic, how: &str, include: &str) -> Result<Outcome> {
    let mut arguments = archive.options();
    for word in [
        "--variant",
        "essential",
        "--include",
        include,
        "--merged-usr",
        how,
    ] {
        arguments.push(word.into());
    }
    arguments.push(archive.work.out("target").into());
    archive.work.run(arguments).end()
}

fn is_merged(target: &Path) -> bool {
    ["bin", "sbin", "lib"].iter().all(|name| {
        std::fs::read_link(target.join(name)).is_ok_and(|text| text == Path::new("usr").join(name))
    })
}

fn installed(target: &Path, name: &str) -> bool {
    let status = read(target, "var/lib/dpkg/status");
    status.contains(&format!("Package: {name}\nStatus: install ok installed\n"))
}

scenario!(
    /// auto: a package moves /bin, /sbin and /lib while its script runs.
    a_script_merges, CONFIGURE, {
    let archive = unmerged(&[])?;
    install(&archive, "auto", "tool")?.succeeded();
    let target = archive.work.out("target");
    assert!(is_merged(&target));
    assert!(installed(&target, "usrmerge") && !installed(&target, "usr-is-merged"));
    assert_eq!(read(&target, "usr/lib/tool/file"), "file");
    assert_eq!(read(&target, "var/lib/tool"), "filedata");
    assert!(target.join("usr/bin/dash").is_file());
    assert!(!target.join("lib64").exists());
});

scenario!(
    /// yes: everything is unpacked through links, without usrmerge.
    links_before_unpacking, CONFIGURE, {
    let archive = unmerged(&[])?;
    install(&archive, "yes", "tool")?.succeeded();
    let target = archive.work.out("target");
    assert!(is_merged(&target));
    assert!(!installed(&target, "usrmerge") && installed(&target, "usr-is-merged"));
    assert_eq!(read(&target, "var/lib/is-merged"), "configure\n");
    assert_eq!(read(&target, "usr/bin/tool-data"), "data");
    assert_eq!(read(&target, "var/lib/tool"), "filedata");
    // The lists are the packages' own.
    assert!(read(&target, "var/lib/dpkg/info/tool.list").contains("\n/bin/tool-data\n"));
});

scenario!(
    /// no: scripts work where /bin and /lib are directories.
    left_unmerged, CONFIGURE, {
    let archive = unmerged(&[])?;
    install(&archive, "no", "tool")?.succeeded();
    let target = archive.work.out("target");
    for name in ["bin", "sbin", "lib"] {
        let path = target.join(name);
        assert!(path.is_dir() && !path.is_symlink(), "{name}");
    }
    assert!(installed(&target, "usr-is-merged") && !installed(&target, "usrmerge"));
    assert_eq!(read(&target, "bin/tool-data"), "data");
    assert_eq!(read(&target, "var/lib/tool"), "filedata");
    let skip = read(&target, "etc/unsupported-skip-usrmerge-conversion");
    assert_eq!(skip, "this system will not be supported in the future\n");
});

scenario!(
    /// A target that has the directory of the native loader itself, as ppc64el's libc6 has /lib64: native
    /// programs find their loader in it, and it lists what is the target's.
    a_directory_of_loaders_of_its_own, CONFIGURE, {
    let loader = package("loader")?
        .essential()
        .file("lib64/ld64.so.2", "the target's", 0o755)
        .script("preinst", "#!/bin/sh -e\nls /lib64 >/loaders\n/bin/dash -c 'cat /lib64/ld64.so.2' >/loader\n\
                 mkdir /usr/lib64\necho moved >/usr/lib64/own\n");
    let archive = unmerged(&[loader])?;
    install(&archive, "no", "tool")?.succeeded();
    let target = archive.work.out("target");
    assert_eq!(read(&target, "loaders"), "ld64.so.2\n");
    assert_eq!(read(&target, "loader"), "the target's");
    assert_eq!(std::fs::read_dir(target.join("lib64"))?.count(), 1);
    // What merges it finds no directory in the way.
    assert_eq!(read(&target, "usr/lib64/own"), "moved\n");
});

scenario!(
    /// What cannot be merged, and what cannot be left unmerged, is an error with the path.
    clashes_are_named, CONFIGURE, {
    let clash = package("clash")?
        .essential()
        .file("bin/same", "a", 0o644)
        .file("usr/bin/same", "b", 0o644);
    let archive = unmerged(&[clash])?;
    let traces = archive.work.traces();
    install(&archive, "yes", "tool")?.failed_with(&["package clash", "/bin/same", "/usr/bin/same exists"]);
    let archive_of_links = unmerged(&[package("crossing")?.essential().link("bin/up", "../opt/up")])?;
    install(&archive_of_links, "yes", "tool")?.failed_with(&["package crossing", "/bin/up", "'../opt/up'"]);
    archive.work.clean(&traces, &[]);
    // Where packages bring the links they cannot be left out.
    let merged = Synthetic::with(&[package("tool")?])?;
    install(&merged, "no", "tool")?.failed_with(&["base-files", "merged", "Debian 12"]);
    install(&merged, "yes", "tool")?.succeeded();
});
