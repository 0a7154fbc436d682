//! Disks that start, and filesystems of FAT: sound to those who check them, and the same bytes each time.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rootless_install_tests::deb::{Entry, Kind, directory, entry, tar};
use rootless_install_tests::filled::{self, TIME};
use rootless_install_tests::packing::{pack, run, text, told};
use rootless_install_tests::program::{Outcome, Workplace};
use rootless_install_tests::synthetic::{Synthetic, package};
use rootless_install_tests::{base, pe, scenario};

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Debian's and EFI's names of architectures, the number of their programs, and the type of their root partitions.
const MACHINES: [(&str, &str, u16, &str); 3] = [
    ("amd64", "x64", 0x8664, "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"),
    ("arm64", "aa64", 0xaa64, "B921B045-1DF0-41C3-AF44-4C6F280D3FAE"),
    (
        "riscv64",
        "riscv64",
        0x5064,
        "72EC70A6-CF74-40E6-BD49-4BDA08E8F224",
    ),
];
const SYSTEMD: &str = "./usr/lib/systemd/boot/efi";

fn file(name: &str, content: &[u8]) -> Entry {
    entry(name, Kind::File(content.to_vec()), 0o644)
}

/// Makes a target `out/NAME` of entries and the directories above them.
fn target(work: &Workplace, name: &str, entries: Vec<Entry>) -> Tested<PathBuf> {
    let mut all = vec![directory("./", 0o755)];
    for entry in entries {
        let above: Vec<usize> = entry.name.match_indices('/').map(|(at, _)| at).skip(1).collect();
        for at in above {
            let above = entry.name.get(..=at).unwrap_or_default().to_owned();
            if !all.iter().any(|entry| entry.name == above) {
                all.push(directory(&above, 0o755));
            }
        }
        if !all.iter().any(|other| other.name == entry.name) {
            all.push(entry);
        }
    }
    let path = work.path(&format!("{name}.tar"));
    std::fs::write(&path, tar(&all, TIME)?)?;
    let target = work.out(name);
    run(work, &[&"unpack", &path, &target])?.succeeded();
    Ok(target)
}

/// Returns what a system with two kernels has.
fn system((debian, efi, number, _): (&str, &str, u16, &str)) -> Vec<Entry> {
    let program = |content: &[u8]| pe::program(number, 512, content);
    let mut all = vec![
        file("./etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
        file(
            "./usr/lib/os-release",
            b"ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n",
        ),
        file("./var/lib/dpkg/arch", format!("{debian}\n").as_bytes()),
        file(&format!("{SYSTEMD}/systemd-boot{efi}.efi"), &program(b"loader")),
        file(&format!("{SYSTEMD}/linux{efi}.efi.stub"), &program(b"stub")),
    ];
    for version in ["6.9.2-1", "6.12.10-1"] {
        let version = format!("{version}-{debian}");
        all.extend([
            file(&format!("./boot/vmlinuz-{version}"), &program(version.as_bytes())),
            file(
                &format!("./boot/initrd.img-{version}"),
                format!("initrd of {version}").as_bytes(),
            ),
            file(
                &format!("./usr/lib/linux-image-{version}/vendor/board.dtb"),
                b"tree",
            ),
            file(
                &format!("./usr/lib/linux-image-{version}/vendor/README"),
                b"no tree",
            ),
        ]);
    }
    all.push(entry(
        "./boot/vmlinuz",
        Kind::Symlink("vmlinuz-6.9.2-1".to_owned()),
        0o777,
    ));
    all
}

/// A partition of a disk, by its name.
struct Part {
    kind: String,
    uuid: String,
    attributes: String,
    /// Its content, in a file.
    content: PathBuf,
}

/// Checks the table of a disk, and takes a partition out of it.
fn part(work: &Workplace, disk: &Path, name: &str) -> Tested<Part> {
    let verified = text("sfdisk", &[&"--verify", &disk])?;
    assert!(verified.contains("No errors detected"), "{verified}");
    let table: serde_json::Value = serde_json::from_slice(&told("sfdisk", &[&"--json", &disk])?)?;
    let all = table["partitiontable"]["partitions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = all.iter().find(|part| part["name"] == name);
    let found = found.ok_or_else(|| format!("no partition {name}: {table}"))?;
    let number = |field: &str| found[field].as_u64().unwrap_or_default();
    assert_eq!((number("start") % 2048, number("size") % 2048), (0, 0), "{found}");
    let content = work.path(&format!("part-{name}"));
    let bytes = std::fs::read(disk)?;
    let begin = number("start") as usize * 512;
    std::fs::write(
        &content,
        bytes
            .get(begin..begin + number("size") as usize * 512)
            .ok_or("cut off")?,
    )?;
    let field = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    Ok(Part {
        kind: field("type"),
        uuid: field("uuid").to_lowercase(),
        attributes: field("attrs"),
        content,
    })
}

/// Returns the text of a file in a FAT filesystem.
fn cat(image: &Path, path: &str) -> Tested<String> {
    Ok(text("mtype", &[&"-i", &image, &format!("::/{path}")])?)
}

/// Returns a file in a FAT filesystem.
fn bytes(work: &Workplace, image: &Path, path: &str) -> Tested<Vec<u8>> {
    let to = work.path("copied");
    told(
        "mcopy",
        &[&"-n", &"-o", &"-i", &image, &format!("::/{path}"), &to],
    )?;
    Ok(std::fs::read(to)?)
}

scenario!(
    /// Disks of three architectures: a sound table, sound filesystems, a boot loader with the kernels, the same bytes twice.
    disks_start, IMAGES, {
    let work = Workplace::new()?;
    for machine in MACHINES {
        let (debian, efi, number, kind) = machine;
        let tree = target(&work, debian, system(machine))?;
        let name = format!("{debian}.img");
        pack(&work, &tree, &name, &["--swap", "2M", "--kernel-options", "quiet console=ttyS0", "--esp-size", "48M"])?;
        let disk = work.out(&name);
        let esp = part(&work, &disk, "esp")?;
        assert_eq!(esp.kind, "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
        assert_eq!(std::fs::metadata(&esp.content)?.len(), 48 << 20);
        told("fsck.fat", &[&"-n", &esp.content])?;
        let root = part(&work, &disk, "root")?;
        assert_eq!(root.kind, kind);
        told("e2fsck", &[&"-fn", &root.content])?;
        let swap = part(&work, &disk, "swap")?;
        assert!(text("swaplabel", &[&swap.content])?.contains("swap"));
        // The entries of the menu, the newest kernel first.
        let newest = format!("6.12.10-1-{debian}");
        assert_eq!(cat(&esp.content, "loader/loader.conf")?, format!("timeout 3\ndefault debian-{newest}.conf\n"));
        assert_eq!(cat(&esp.content, &format!("loader/entries/debian-{newest}.conf"))?, format!(
            "title Debian GNU/Linux 13 (trixie)\nversion {newest}\nsort-key debian\nlinux /debian/{newest}/linux\n\
            initrd /debian/{newest}/initrd.img\noptions root=PARTUUID={} rootfstype=ext4 rw quiet console=ttyS0\n",
            root.uuid
        ));
        assert!(cat(&esp.content, &format!("loader/entries/debian-6.9.2-1-{debian}.conf"))?.contains("6.9.2"));
        let loader = bytes(&work, &esp.content, &format!("EFI/BOOT/BOOT{}.EFI", efi.to_uppercase()))?;
        assert_eq!(loader, pe::program(number, 512, b"loader"));
        assert_eq!(bytes(&work, &esp.content, &format!("debian/{newest}/linux"))?, pe::program(number, 512, newest.as_bytes()));
        assert_eq!(cat(&esp.content, &format!("debian/{newest}/initrd.img"))?, format!("initrd of {newest}"));
        // All of the target is in the root filesystem, as in an image of its own.
        pack(&work, &tree, "alone.ext4", &[])?;
        assert!(std::fs::read(&root.content)? == std::fs::read(work.out("alone.ext4"))?, "{debian}");
        std::fs::remove_file(work.out("alone.ext4"))?;
        // Again, elsewhere.
        let again = work.out("again.img");
        let words = ["pack", "--swap", "2M", "--kernel-options", "quiet console=ttyS0", "--esp-size", "48M"];
        let words = words.iter().map(OsStr::new).chain([tree.as_os_str(), again.as_os_str()]);
        let run = work.run_plain(words).env("TZ", "Pacific/Auckland").env("LC_ALL", "tr_TR.UTF-8");
        run.through("umask 077; sleep 2; exec \"$@\"").end()?.succeeded();
        assert!(std::fs::read(&disk)? == std::fs::read(&again)?, "{debian} differs");
        std::fs::remove_file(again)?;
    }
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// An installation straight into a disk; one whose packages bring no kernel, or no boot loader, ends before it begins.
    installed_into_a_disk, CONFIGURE_IMAGES, {
    let foreign = base::architectures()?[1].debian;
    let (debian, efi, number, _) = *MACHINES.iter().find(|machine| machine.0 == foreign).ok_or("another architecture")?;
    let kernel = package("linux-image-test")?.file("boot/vmlinuz-1.2-test", pe::program(number, 512, b"kernel"), 0o644);
    let loader = format!("{}/systemd-boot{efi}.efi", SYSTEMD.trim_start_matches("./"));
    let loader = package("systemd-boot-efi")?.file(&loader, pe::program(number, 512, b"loader"), 0o644);
    let archive = Synthetic::with(&[kernel, loader])?;
    let work = &archive.work;
    let install = |include: &str, options: &[&str]| -> Tested<Outcome> {
        let mut arguments = archive.options();
        arguments.extend(["--variant", "essential", "--esp-size", "40M"].map(Into::into));
        arguments.extend(options.iter().map(Into::into));
        if !include.is_empty() {
            arguments.extend(["--include".into(), include.into()]);
        }
        arguments.push(work.out("disk.img").into());
        Ok(work.run(arguments).end()?)
    };
    for (include, options, said) in [
        ("", &[][..], format!("--include linux-image-{debian}")),
        ("linux-image-test", &[], "--include systemd-boot-efi".to_owned()),
        ("linux-image-test", &["--bootloader", "uki"], "--include systemd-boot-efi".to_owned()),
        ("linux-image-test", &["--bootloader", "grub"], format!("--include grub-efi-{debian}-bin")),
    ] {
        let done = install(include, options)?;
        done.failed_with(&[&said]);
        assert!(!done.stderr.contains("unpacking") && !done.stderr.contains("configuring"), "{}", done.stderr);
        assert_eq!(work.names("out")?, [""; 0]);
    }
    install("linux-image-test,systemd-boot-efi", &[])?.succeeded();
    let disk = work.out("disk.img");
    let esp = part(work, &disk, "esp")?;
    told("fsck.fat", &[&"-n", &esp.content])?;
    assert!(cat(&esp.content, "loader/loader.conf")?.contains("debian-1.2-test.conf"));
    told("e2fsck", &[&"-fn", &part(work, &disk, "root")?.content])?;
});

scenario!(
    /// Other boot loaders: unified kernel images, GRUB, the menu of U-Boot, none; other filesystems of the root.
    boot_loaders, IMAGES_GRUB, {
    let work = Workplace::new()?;
    let mut entries = system(MACHINES[0]);
    for found in std::fs::read_dir("/usr/lib/grub/x86_64-efi")? {
        let found = found?;
        if !found.file_type()?.is_file() {
            continue;
        }
        let name = format!("./usr/lib/grub/x86_64-efi/{}", found.file_name().to_string_lossy());
        entries.push(file(&name, &std::fs::read(found.path())?));
    }
    let tree = target(&work, "t", entries)?;
    let esp = ["--esp-size", "48M", "--bootloader"];
    let made = |name: &str, options: &[&str]| -> Tested<PathBuf> {
        pack(&work, &tree, name, &[&esp[..], options].concat())?;
        pack(&work, &tree, &format!("again-{name}"), &[&esp[..], options].concat())?;
        let (one, two) = (work.out(name), work.out(&format!("again-{name}")));
        assert!(std::fs::read(&one)? == std::fs::read(&two)?, "{name} differs");
        std::fs::remove_file(two)?;
        Ok(one)
    };
    let newest = "6.12.10-1-amd64";
    // Unified: binutils finds the sections.
    let disk = made("uki.img", &["uki", "--root-format", "squashfs"])?;
    let (esp_part, root) = (part(&work, &disk, "esp")?, part(&work, &disk, "root")?);
    let image = bytes(&work, &esp_part.content, &format!("EFI/Linux/debian-{newest}.efi"))?;
    assert!(image == bytes(&work, &esp_part.content, "EFI/BOOT/BOOTX64.EFI")?);
    let unified = work.write("unified.efi", &image)?;
    let section = |name: &str| -> Tested<Vec<u8>> {
        let to = work.path("section");
        told("objcopy", &[&"--dump-section", &format!("{name}={}", to.display()), &unified, &work.path("unused")])?;
        Ok(std::fs::read(to)?)
    };
    let command_line = String::from_utf8(section(".cmdline")?)?;
    assert_eq!(command_line.trim_end_matches('\0'), format!("root=PARTUUID={} rootfstype=squashfs ro", root.uuid));
    assert!(section(".linux")?.starts_with(&pe::program(0x8664, 512, newest.as_bytes())));
    assert!(section(".initrd")?.starts_with(format!("initrd of {newest}").as_bytes()));
    assert!(section(".uname")?.starts_with(newest.as_bytes()));
    // A read-only root is marked so (bit 60).
    assert_eq!(root.attributes, "GUID:60");
    pack(&work, &tree, "alone.squashfs", &[])?;
    let alone = std::fs::read(work.out("alone.squashfs"))?;
    assert!(std::fs::read(&root.content)?.starts_with(&alone));
    for format in ["btrfs", "xfs"] {
        let disk = made(&format!("{format}.img"), &["none", "--root-format", format])?;
        let root = part(&work, &disk, "root")?;
        assert_eq!(root.attributes, "");
        let name = format!("alone.{format}");
        pack(&work, &tree, &name, &[])?;
        assert!(std::fs::read(&root.content)?.starts_with(&std::fs::read(work.out(&name))?), "{format}");
    }
    // GRUB.
    let disk = made("grub.img", &["grub", "--root-format", "ext2", "--kernel-options", "a;b"])?;
    let esp_part = part(&work, &disk, "esp")?;
    told("fsck.fat", &[&"-n", &esp_part.content])?;
    let menu = cat(&esp_part.content, "EFI/BOOT/grub.cfg")?;
    let line = format!("linux /debian/{newest}/linux root=PARTUUID={} rootfstype=ext2 rw 'a;b'\n", part(&work, &disk, "root")?.uuid);
    assert!(menu.contains(&line) && menu.contains("menuentry 'Debian GNU/Linux 13 (trixie) 6.9.2-1-amd64'"), "{menu}");
    let program = bytes(&work, &esp_part.content, "EFI/BOOT/BOOTX64.EFI")?;
    assert!(program.starts_with(b"MZ") && program.windows(10).any(|bytes| bytes == b"/EFI/BOOT\0"));
    // U-Boot's menu.
    let disk = made("board.img", &["extlinux", "--root-format", "ext3"])?;
    let esp_part = part(&work, &disk, "esp")?;
    assert_eq!(esp_part.attributes, "LegacyBIOSBootable");
    let menu = cat(&esp_part.content, "extlinux/extlinux.conf")?;
    for line in [format!("\tlinux /debian/{newest}/linux\n"), format!("\tfdtdir /debian/{newest}/dtbs\n"), "rootfstype=ext3 rw\n".to_owned()] {
        assert!(menu.contains(&line), "{line}: {menu}");
    }
    assert_eq!(cat(&esp_part.content, &format!("debian/{newest}/dtbs/vendor/board.dtb"))?, "tree");
    let listed = text("mdir", &[&"-b", &"-/", &"-i", &esp_part.content])?;
    assert!(!listed.contains("README") && listed.contains("board.dtb"), "{listed}");
    // None: no partition for it.
    let disk = made("none.img", &["none"]);
    assert!(disk.is_err() || part(&work, &disk?, "esp").is_err());
});

scenario!(
    /// Disks of virtual machines: what qemu-img makes of them is the raw disk again, and the same bytes each time.
    disks_of_virtual_machines, IMAGES, {
    let work = Workplace::new()?;
    let tree = target(&work, "t", system(MACHINES[0]))?;
    let options = ["--bootloader", "none", "--size", "64M"];
    pack(&work, &tree, "d.raw", &options)?;
    for (name, more, format) in [
        ("d.qcow2", &[][..], "qcow2"),
        ("d.vhd", &[][..], "vpc"),
        ("d.vmdk", &[][..], "vmdk"),
        ("d.disk", &["--format", "disk", "--disk-format", "qcow2"][..], "qcow2"),
    ] {
        let options = [&options[..], more].concat();
        pack(&work, &tree, name, &options)?;
        std::thread::sleep(std::time::Duration::from_millis(1100));
        pack(&work, &tree, &format!("again-{name}"), &options)?;
        let image = work.out(name);
        assert!(std::fs::read(&image)? == std::fs::read(work.out(&format!("again-{name}")))?, "{name} differs");
        told("qemu-img", &[&"compare", &"-f", &"raw", &"-F", &format, &work.out("d.raw"), &image])?;
        if format != "vpc" {
            told("qemu-img", &[&"check", &"-f", &format, &image])?;
        }
        // Much smaller than the disk.
        assert!(std::fs::metadata(&image)?.len() < std::fs::metadata(work.out("d.raw"))?.len());
    }
});

scenario!(
    /// Sizes of disks, and what is said of those that cannot be made; nothing is left of them.
    disks_that_cannot_be, IMAGES, {
    let work = Workplace::new()?;
    let amd64 = MACHINES[0];
    let tree = target(&work, "t", system(amd64))?;
    pack(&work, &tree, "sized.img", &["--size", "300M", "--esp-size", "40M", "--fs-label", "system"])?;
    let sized = work.out("sized.img");
    assert_eq!(std::fs::metadata(&sized)?.len(), 300 << 20);
    let root = part(&work, &sized, "root")?;
    assert_eq!(std::fs::metadata(&root.content)?.len(), (300 - 42) << 20);
    told("e2fsck", &[&"-fn", &root.content])?;
    let header = text("dumpe2fs", &[&"-h", &root.content])?;
    assert!(header.contains("system"), "{header}");
    pack(&work, &tree, "free.img", &["--free", "100M", "--esp-size", "40M"])?;
    let root = part(&work, &work.out("free.img"), "root")?;
    assert!(std::fs::metadata(&root.content)?.len() > 100 << 20);
    let without = |name: &str, lacks: &str, arch: &str| -> Tested<PathBuf> {
        let mut entries = system(amd64);
        entries.retain(|entry| !entry.name.contains(lacks));
        entries.retain(|entry| entry.name != "./var/lib/dpkg/arch");
        entries.push(file("./var/lib/dpkg/arch", format!("{arch}\n").as_bytes()));
        target(&work, name, entries)
    };
    let no_kernel = without("no-kernel", "vmlinuz", "amd64")?;
    let no_loader = without("no-loader", "systemd", "amd64")?;
    let s390x = without("s390x", "systemd", "s390x")?;
    let other = without("other", "nothing", "arm64")?;
    let mut entries = system(amd64);
    entries.push(file("./srv/large", &vec![7; 9_000_000]));
    let large = target(&work, "large", entries)?;
    let full = ["--size", "45M", "--esp-size", "40M", "--swap", "1M"];
    for (tree, options, said) in [
        (&no_kernel, &[][..], &["no kernel", "--include linux-image-amd64"][..]),
        (&no_loader, &[], &["systemd-bootx64.efi", "--include systemd-boot-efi"]),
        (&no_loader, &["--bootloader", "uki"], &["linuxx64.efi.stub", "--include systemd-boot-efi"]),
        (&no_loader, &["--bootloader", "grub"], &["--include grub-efi-amd64-bin"]),
        (&s390x, &[], &["s390x", "EFI", "--bootloader none"]),
        (&other, &[], &["systemd-bootaa64.efi"]),
        (&large, &full, &["47.2 MB is too small", "--size"]),
        (&tree, &["--size", "30M"], &["too small", "--size"]),
        (&tree, &["--esp-size", "4M"], &["too small", "37.7 MB"]),
        (&tree, &["--swap", "4K"], &["too small"]),
    ] {
        let out = work.out("wrong.img");
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"pack"];
        words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        words.extend([tree as &dyn AsRef<OsStr>, &out]);
        run(&work, &words)?.failed_with(said);
        assert!(!out.exists(), "{options:?}");
    }
    for (options, said) in [
        (["--free", "1M", "--root-format", "erofs"], "--free has no meaning"),
        (["--kernel-options", "a\nb", "--swap", "1M"], "--kernel-options"),
        (["--fs-label", "0123456789abcdefg", "--swap", "1M"], "16 bytes"),
        (["--format", "ext4", "--bootloader", "grub"], "disks"),
    ] {
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"pack"];
        words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        let out = work.out("wrong.img");
        words.extend([&tree as &dyn AsRef<OsStr>, &out]);
        let done = run(&work, &words)?;
        assert_eq!(done.status.code(), Some(2), "{options:?}: {}", done.stderr);
        assert!(done.stderr.contains(said), "{options:?}: {}", done.stderr);
    }
    assert_eq!(work.names("tmp")?, [""; 0], "temporary files are left");
});

scenario!(
    /// FAT: sound, the same bytes each time, all files with their content; what it cannot hold is told, or refused by name.
    vfat, IMAGES, {
    let work = Workplace::new()?;
    let tree = target(&work, "t", vec![
        file("./etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
        entry("./etc/shadow", Kind::File(b"secret".to_vec()), 0o640),
        file("./srv/A long name, with é.txt", b"unicode"),
        file("./srv/empty", b""),
        file("./srv/large", &vec![7; 3_000_000]),
        entry("./srv/link", Kind::Symlink("large".to_owned()), 0o777),
        entry("./dev/null", Kind::CharDevice(1, 3), 0o666),
    ])?;
    let out = work.out("a.fat");
    let done = run(&work, &[&"pack", &"--format", &"vfat", &"--fs-label", &"DATA", &tree, &out])?;
    let said = &done.succeeded().stderr;
    assert!(said.contains("2 links, devices, pipes and sockets were left out") && said.contains("1 file is without its owner, mode"), "{said}");
    let checked = text("fsck.fat", &[&"-n", &out])?;
    assert!(checked.contains("files"), "{checked}");
    let listed = text("mdir", &[&"-b", &"-/", &"-i", &out])?;
    let mut names: Vec<_> = listed.lines().map(|line| line.trim_start_matches("::/")).collect();
    names.sort_unstable();
    assert_eq!(names, ["dev/", "etc/", "etc/passwd", "etc/shadow", "srv/", "srv/A long name, with é.txt", "srv/empty", "srv/large"]);
    assert_eq!(bytes(&work, &out, "srv/large")?, vec![7; 3_000_000]);
    assert_eq!(cat(&out, "srv/A long name, with é.txt")?, "unicode");
    let long = text("mdir", &[&"-i", &out, &"::/etc"])?;
    assert!(long.contains("2017-07-14   2:40") && long.contains("is DATA"), "{long}");
    let again = work.out("b.fat");
    let words = ["pack".as_ref(), "--format".as_ref(), "vfat".as_ref(), "--fs-label".as_ref(), "DATA".as_ref(), tree.as_os_str(), again.as_os_str()];
    let run_again = work.run_plain(words).env("TZ", "Pacific/Auckland").env("LC_ALL", "tr_TR.UTF-8");
    run_again.through("umask 077; sleep 2; exec \"$@\"").end()?.succeeded();
    assert!(std::fs::read(&out)? == std::fs::read(&again)?, "it differs");
    pack(&work, &tree, "sized.fat", &["--format", "vfat", "--size", "300M"])?;
    assert_eq!(std::fs::metadata(work.out("sized.fat"))?.len(), 300 << 20);
    told("fsck.fat", &[&"-n", &work.out("sized.fat")])?;
    // What cannot be, is refused.
    let large = target(&work, "large", vec![entry("./x", Kind::Zeros(60_000_000), 0o644), file("./etc/passwd", b"")])?;
    let odd = filled::target(&work, "odd")?;
    let clash = target(&work, "clash", vec![file("./etc/passwd", b""), file("./etc/Passwd", b"")])?;
    for (tree, options, said) in [
        (&large, &["--size", "40M"][..], &["too small", "--size"][..]),
        (&odd, &[], &["cannot be in vfat", "/odd/"]),
        (&clash, &[], &["/etc/passwd", "/etc/Passwd", "same name"]),
    ] {
        let out = work.out("wrong.fat");
        let mut words: Vec<&dyn AsRef<OsStr>> = vec![&"pack", &"--format", &"vfat"];
        words.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        words.extend([tree as &dyn AsRef<OsStr>, &out]);
        run(&work, &words)?.failed_with(said);
        assert!(!out.exists());
    }
});
