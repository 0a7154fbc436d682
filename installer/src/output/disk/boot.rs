//! What starts a disk: the boot loader, the kernels and the entries of its menu, in the EFI system partition.
//!
//! Kernels are at `/debian/VERSION/` there, so a loader needs to read FAT only, whatever the root filesystem is.

use super::super::maker::Maker;
use super::super::{Error, Source};
use super::esp::Esp;
use super::kernels::Kernel;
use super::machine::Efi;
use super::options::Bootloader;
use super::pe;
use rootless_install_fs::FileType;
use std::io::Read;
use std::path::{Path, PathBuf};

/// GRUB's maker of images.
pub(super) const GRUB: Maker = Maker {
    program: "grub-mkimage",
    package: "grub-common",
    makes: "GRUB's EFI programs",
};

/// Seconds that a menu waits.
const WAIT: u32 = 3;
/// systemd's EFI programs, in the target.
const SYSTEMD: &str = "/usr/lib/systemd/boot/efi";
/// Most bytes of a file that says what system it is.
const MOST_TEXT: u64 = 1 << 16;
/// What GRUB's program has in it.
const MODULES: [&str; 6] = ["part_gpt", "fat", "normal", "linux", "configfile", "gzio"];

/// Debian's package of them.
const SYSTEMD_PACKAGE: &str = "systemd-boot-efi";

/// Checks that packages of these names bring what a boot loader is made of.
///
/// # Errors
/// [`Error::NoLoader`], [`Error::NoEfi`].
pub(super) fn check_packages(
    loader: Bootloader,
    efi: Option<Efi>,
    architecture: &str,
    names: &[&str],
) -> Result<(), Error> {
    let no_efi = || Error::NoEfi {
        architecture: architecture.to_owned(),
    };
    let (path, package) = match loader {
        Bootloader::Extlinux | Bootloader::None => return Ok(()),
        Bootloader::SystemdBoot => (systemd_boot(efi.ok_or_else(no_efi)?), SYSTEMD_PACKAGE),
        Bootloader::Uki => (stub(efi.ok_or_else(no_efi)?), SYSTEMD_PACKAGE),
        Bootloader::Grub => {
            let efi = efi.ok_or_else(no_efi)?;
            (modules(efi), efi.grub_package)
        }
    };
    match names.contains(&package) {
        true => Ok(()),
        false => Err(Error::NoLoader { path, package }),
    }
}

fn systemd_boot(efi: Efi) -> PathBuf {
    Path::new(SYSTEMD).join(format!("systemd-boot{}.efi", efi.short))
}

fn stub(efi: Efi) -> PathBuf {
    Path::new(SYSTEMD).join(format!("linux{}.efi.stub", efi.short))
}

fn modules(efi: Efi) -> PathBuf {
    Path::new("/usr/lib/grub").join(efi.grub)
}

/// What a disk starts.
pub(super) struct Boot<'a> {
    pub(super) source: &'a Source<'a>,
    /// Kernels, the one that starts by itself first.
    pub(super) kernels: &'a [Kernel],
    /// The kernel's command line.
    pub(super) command_line: &'a str,
    /// Name of the system, for people.
    title: String,
    /// The target's os-release(5).
    release: Vec<u8>,
}

impl<'a> Boot<'a> {
    pub(super) fn new(source: &'a Source<'a>, kernels: &'a [Kernel], command_line: &'a str) -> Self {
        let read = |path: &str| {
            let mut text = Vec::new();
            let file = source.target.open_file(Path::new(path)).ok()?;
            file.take(MOST_TEXT).read_to_end(&mut text).ok()?;
            Some(text)
        };
        let release = read("/etc/os-release").or_else(|| read("/usr/lib/os-release"));
        let release = release.unwrap_or_default();
        Self {
            source,
            kernels,
            command_line,
            title: title(&String::from_utf8_lossy(&release)),
            release,
        }
    }

    /// Puts a boot loader and all that it reads into a partition.
    ///
    /// # Errors
    /// The target lacks what is needed, those of reading it and of writing.
    pub(super) fn put(&self, esp: &mut Esp<'_>, loader: Bootloader, efi: Option<Efi>) -> Result<(), Error> {
        let efi = || {
            efi.ok_or_else(|| Error::NoEfi {
                architecture: self.source.architecture.to_owned(),
            })
        };
        match loader {
            Bootloader::SystemdBoot => self.systemd_boot(esp, efi()?),
            Bootloader::Grub => self.grub(esp, efi()?),
            Bootloader::Extlinux => self.extlinux(esp),
            Bootloader::Uki => self.unified(esp, efi()?),
            Bootloader::None => Ok(()),
        }
    }

    fn systemd_boot(&self, esp: &mut Esp<'_>, efi: Efi) -> Result<(), Error> {
        let program = self.file(&systemd_boot(efi), SYSTEMD_PACKAGE)?;
        esp.copy(&fallback(efi), &program)?;
        esp.copy(&format!("EFI/systemd/systemd-boot{}.efi", efi.short), &program)?;
        let mut first = None;
        for kernel in self.kernels {
            self.check_kernel(kernel, efi)?;
            let linux = kernel_files(esp, kernel)?;
            let version = &kernel.version;
            let mut entry = format!(
                "title {}\nversion {version}\nsort-key debian\nlinux /{linux}\n",
                self.title
            );
            if kernel.initrd.is_some() {
                entry.push_str(&format!("initrd /{}\n", initrd(kernel)));
            }
            entry.push_str(&format!("options {}\n", self.command_line));
            let name = format!("debian-{version}.conf");
            esp.write(&format!("loader/entries/{name}"), entry.as_bytes())?;
            first.get_or_insert(name);
        }
        esp.write("loader/entries.srel", b"type1\n")?;
        let default = first.unwrap_or_default();
        let configuration = format!("timeout {WAIT}\ndefault {default}\n");
        esp.write("loader/loader.conf", configuration.as_bytes())
    }

    fn grub(&self, esp: &mut Esp<'_>, efi: Efi) -> Result<(), Error> {
        let from = modules(efi);
        self.file(&from.join("kernel.img"), efi.grub_package)?;
        // A copy, since its names could lead anywhere.
        let modules = self.source.scratch.join("grub");
        std::fs::create_dir(&modules).map_err(Error::Write)?;
        for name in self.source.target.read_dir(&from)? {
            let path = from.join(&name);
            if self.source.target.stat(&path)?.meta.kind == FileType::Regular {
                let mut file = self.source.target.open_file(&path)?;
                let mut copy = std::fs::File::create(modules.join(&name)).map_err(Error::Write)?;
                std::io::copy(&mut file, &mut copy).map_err(Error::Write)?;
            }
        }
        let made = self.source.scratch.join("grub.efi");
        let mut call = GRUB.call(self.source.time(), &self.source.scratch.join("grub-mkimage.log"))?;
        call.args(["--format", efi.grub, "--prefix", "/EFI/BOOT", "--directory"])
            .args([&modules]);
        call.args(["--output"]).args([&made]).args(MODULES);
        call.output()?;
        let program = std::fs::read(&made).map_err(Error::Write)?;
        esp.write(&fallback(efi), &program)?;
        let mut menu = format!("set timeout={WAIT}\nset default=0\n");
        let words: Vec<String> = self.command_line.split(' ').map(grub_word).collect();
        let command_line = words.join(" ");
        for kernel in self.kernels {
            let linux = kernel_files(esp, kernel)?;
            menu.push_str(&format!(
                "menuentry '{} {}' {{\n\tlinux /{linux} {command_line}\n",
                self.title, kernel.version
            ));
            if kernel.initrd.is_some() {
                menu.push_str(&format!("\tinitrd /{}\n", initrd(kernel)));
            }
            menu.push_str("}\n");
        }
        esp.write("EFI/BOOT/grub.cfg", menu.as_bytes())?;
        std::fs::remove_dir_all(&modules).map_err(Error::Write)
    }

    fn extlinux(&self, esp: &mut Esp<'_>) -> Result<(), Error> {
        let mut menu = format!("menu title {}\ntimeout {}\ndefault l0\n", self.title, WAIT * 10);
        for (number, kernel) in self.kernels.iter().enumerate() {
            let linux = kernel_files(esp, kernel)?;
            menu.push_str(&format!(
                "\nlabel l{number}\n\tmenu label {} {}\n\tlinux /{linux}\n",
                self.title, kernel.version
            ));
            if kernel.initrd.is_some() {
                menu.push_str(&format!("\tinitrd /{}\n", initrd(kernel)));
            }
            if let Some(from) = &kernel.device_trees {
                let to = format!("{}/dtbs", directory(kernel));
                if esp.copy_all(&to, from, ".dtb")? > 0 {
                    menu.push_str(&format!("\tfdtdir /{to}\n"));
                }
            }
            menu.push_str(&format!("\tappend {}\n", self.command_line));
        }
        esp.write("extlinux/extlinux.conf", menu.as_bytes())
    }

    fn unified(&self, esp: &mut Esp<'_>, efi: Efi) -> Result<(), Error> {
        let path = stub(efi);
        let stub = self.read(&self.file(&path, SYSTEMD_PACKAGE)?)?;
        if pe::machine(&stub) != Ok(efi.pe) {
            return Err(Error::Kernel {
                path,
                what: "it is no EFI program of this architecture".to_owned(),
            });
        }
        for (number, kernel) in self.kernels.iter().enumerate() {
            self.source.cancel.check()?;
            self.check_kernel(kernel, efi)?;
            let mut sections = vec![
                (".osrel", self.release.clone()),
                (".cmdline", self.command_line.as_bytes().to_vec()),
                (".uname", kernel.version.as_bytes().to_vec()),
            ];
            if let Some(initrd) = &kernel.initrd {
                sections.push((".initrd", self.read(initrd)?));
            }
            // It comes last, for it may use the memory after it while it starts.
            sections.push((".linux", self.read(&kernel.image)?));
            let image = pe::with_sections(&stub, &sections).map_err(|what| Error::Kernel {
                path: path.clone(),
                what: what.to_owned(),
            })?;
            if number == 0 {
                esp.write(&fallback(efi), &image)?;
            }
            esp.write(&format!("EFI/Linux/debian-{}.efi", kernel.version), &image)?;
        }
        Ok(())
    }

    /// Checks that firmware can start a kernel.
    fn check_kernel(&self, kernel: &Kernel, efi: Efi) -> Result<(), Error> {
        let mut head = Vec::new();
        let file = self.source.target.open_file(&kernel.image)?;
        let read = file.take(MOST_TEXT).read_to_end(&mut head);
        read.map_err(|source| Error::Read {
            path: kernel.image.clone(),
            source,
        })?;
        match pe::machine(&head) {
            Ok(machine) if machine == efi.pe => Ok(()),
            _ => Err(Error::Kernel {
                path: kernel.image.clone(),
                what: "EFI firmware of this architecture cannot start it".to_owned(),
            }),
        }
    }

    /// Returns the path of a regular file that a package ships.
    fn file(&self, path: &Path, package: &'static str) -> Result<PathBuf, Error> {
        match self.source.target.stat(path) {
            Ok(stat) if stat.meta.kind == FileType::Regular => Ok(path.to_owned()),
            _ => Err(Error::NoLoader {
                path: path.to_owned(),
                package,
            }),
        }
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        let mut file = self.source.target.open_file(path)?;
        file.read_to_end(&mut content).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(content)
    }
}

/// Returns the path of the program that firmware starts where it knows of no other.
fn fallback(efi: Efi) -> String {
    format!("EFI/BOOT/BOOT{}.EFI", efi.short.to_ascii_uppercase())
}

fn directory(kernel: &Kernel) -> String {
    format!("debian/{}", kernel.version)
}

fn initrd(kernel: &Kernel) -> String {
    format!("{}/initrd.img", directory(kernel))
}

/// Puts a kernel and its initrd into a partition. Returns the kernel's path.
fn kernel_files(esp: &mut Esp<'_>, kernel: &Kernel) -> Result<String, Error> {
    let linux = format!("{}/linux", directory(kernel));
    esp.copy(&linux, &kernel.image)?;
    if let Some(from) = &kernel.initrd {
        esp.copy(&initrd(kernel), from)?;
    }
    Ok(linux)
}

/// Returns a word as GRUB's shell takes it for itself.
fn grub_word(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "=-_.,:/+@%".contains(char);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Returns the name of a system from its os-release(5), of characters that no menu takes for something else.
fn title(release: &str) -> String {
    let line = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let title: String = line
        .unwrap_or("Debian")
        .chars()
        .filter(|char| char.is_ascii_alphanumeric() || " ()./+-".contains(*char))
        .take(80)
        .collect();
    title.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_grub_mean_themselves() {
        assert_eq!(grub_word("console=ttyS0,115200"), "console=ttyS0,115200");
        assert_eq!(grub_word("a;b"), "'a;b'");
        assert_eq!(grub_word("it's"), "'it'\\''s'");
    }

    #[test]
    fn titles_are_plain() {
        let debian = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n";
        assert_eq!(title(debian), "Debian GNU/Linux 13 (trixie)");
        assert_eq!(title("PRETTY_NAME='a'\\''; {b}'"), "a b");
        assert_eq!(title(""), "Debian");
    }
}
