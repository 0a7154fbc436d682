//! Parsers of option values, whose errors name the right form.

use std::path::Path;
use std::time::Duration;

use apt_solve::{Mmdebstrap, NotMmdebstrap};
use url::Url;

pub(super) use crate::settings::download_timeout;
use crate::settings::duration;
use deb_arch::{ARCHITECTURES, Architecture};
use deb_archive::{ArchiveError, parse_mirror_argument};

/// Parses an `--arch` value: names between commas or blanks.
pub(super) fn architectures(value: &str) -> Result<Names, String> {
    names(value, |name| {
        if Architecture::by_name(name).is_some() {
            return Ok(());
        }
        Err(unknown_architecture(name))
    })
}

/// Returns what is wrong with the name of an architecture that Debian does not have.
fn unknown_architecture(name: &str) -> String {
    let shown = task_progress::escape(name);
    // Containers have platforms: linux/arm64, linux/arm/v7.
    let platform = name
        .strip_prefix("linux/")
        .map(|platform| platform.replace('/', ""));
    let other = platform.as_deref().unwrap_or(name);
    let known = Architecture::by_other_name(other);
    if let Some(arch) = known.or_else(|| Architecture::by_name(other).filter(|_| platform.is_some())) {
        return format!(
            "`{shown}` is not an architecture of Debian's; its name there is `{}`",
            arch.name
        );
    }
    let all = || ARCHITECTURES.iter().map(|arch| arch.name);
    let near = deb_types::near::nearest(&name.to_ascii_lowercase(), all(), 2);
    let near = match near.first() {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    };
    let known: Vec<&str> = all().collect();
    format!(
        "`{shown}` is not an architecture{near}; there are: {}",
        known.join(", ")
    )
}

/// Parses an `--imitate` value: `mmdebstrap-VERSION`.
pub(super) fn imitate(value: &str) -> Result<Mmdebstrap, String> {
    let Some(release) = value.strip_prefix("mmdebstrap-") else {
        return Err("give it as `mmdebstrap-1.3.5`".to_owned());
    };
    release.parse().map_err(|error: NotMmdebstrap| error.to_string())
}

/// Parses a size: a number of bytes, or of units of 1024 (`K`, `M`, `G`, `T`).
pub(super) fn size(value: &str) -> Result<u64, String> {
    let wrong = || "not a size; give it as `2G`, `800M` or in bytes".to_owned();
    let upper = value.to_ascii_uppercase();
    let number = upper
        .strip_suffix("IB")
        .or(upper.strip_suffix('B'))
        .unwrap_or(&upper);
    let (number, shift) = match number.strip_suffix(['K', 'M', 'G', 'T']) {
        Some(rest) => {
            let unit = number.as_bytes().last().copied().unwrap_or_default();
            let power = b"KMGT"
                .iter()
                .position(|known| *known == unit)
                .unwrap_or_default();
            (rest, 10 * (power as u32 + 1))
        }
        None => (number, 0),
    };
    if !number.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    // The largest file that the kernel has.
    let most = i64::MAX.cast_unsigned() >> shift;
    match number <= most {
        true => Ok(number << shift),
        false => Err(wrong()),
    }
}

/// Parses a UUID (RFC 9562).
pub(super) fn uuid(value: &str) -> Result<String, String> {
    let lower = value.to_ascii_lowercase();
    let lengths = lower.split('-').map(str::len);
    let digits = |c: char| c.is_ascii_hexdigit() || c == '-';
    match lengths.eq([8, 4, 4, 4, 12]) && lower.chars().all(digits) {
        true => Ok(lower),
        false => Err("not a UUID; give it as `uuidgen` prints it".to_owned()),
    }
}

/// Parses `--script-timeout`: a duration of at least a second.
pub(super) fn timeout(value: &str) -> Result<Duration, String> {
    let duration = duration(value)?;
    if duration < Duration::from_secs(1) {
        return Err("less than a second: no script could end in time".to_owned());
    }
    Ok(duration)
}

/// Parses `--suite`: a path below `dists/` (`stable`, `trixie-backports`, `stable/updates`).
pub(super) fn suite(value: &str) -> Result<String, String> {
    let good = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_+~".contains(&byte))
    };
    if value.is_empty() || value.split('/').all(good) {
        Ok(value.to_owned())
    } else {
        Err("not the name of a suite; give one as `stable`, `trixie` or `sid`".to_owned())
    }
}

/// Parses a `--components` value: names between commas or blanks.
pub(super) fn components(value: &str) -> Result<Names, String> {
    names(value, |name| {
        let good = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_+/".contains(&byte));
        if good && !name.contains("..") {
            Ok(())
        } else {
            Err(format!(
                "`{}` is not the name of a component; give them as `main,contrib`",
                task_progress::escape(name)
            ))
        }
    })
}

/// Parses a `--target-cpu` value: names of extensions between commas or blanks.
pub(super) fn extensions(value: &str) -> Result<Names, String> {
    names(value, |name| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        match name.bytes().all(good) {
            true => Ok(()),
            false => Err(format!(
                "`{}` is not the name of an extension; give them as `SSE2,SSE3`, or `none`",
                task_progress::escape(name)
            )),
        }
    })
}

/// Parses an `--include` value: packages between commas or blanks, each
/// `NAME[:ARCH][=VERSION|/SUITE]`, a glob, a task, or a file, as apt-get(8) takes them; or a pattern or a file as a whole.
pub(super) fn packages(value: &str) -> Result<Names, String> {
    if value.starts_with(['?', '~', '!', '(']) {
        return Ok(Names(vec![value.to_owned()]));
    }
    if is_file(value) {
        return file(value).map(|path| Names(vec![path]));
    }
    let Names(mut found) = words(value)?;
    for item in &mut found {
        if is_file(item) {
            *item = file(item)?;
        }
    }
    Ok(Names(found))
}

/// Whether an item of `--include` is a path, by mmdebstrap's rule.
fn is_file(item: &str) -> bool {
    ["/", "./", "../"].iter().any(|begin| item.starts_with(begin))
}

/// Returns the absolute path of a package file, or of a directory of them.
fn file(path: &str) -> Result<String, String> {
    let shown = task_progress::escape(path);
    let found = std::fs::canonicalize(path).map_err(|error| format!("`{shown}`: {error}"))?;
    if !found.is_file() && !found.is_dir() {
        return Err(format!("`{shown}` is neither a file nor a directory"));
    }
    let found = found.into_os_string().into_string();
    found.map_err(|_| format!("`{shown}`: its path is not text in UTF-8"))
}

fn words(value: &str) -> Result<Names, String> {
    names(value, |name| {
        if is_file(name) || name.contains(['*', '?', '[', '^', '$', '|']) {
            return Ok(());
        }
        let base = name.find([':', '=', '/']).map_or(name, |end| &name[..end]);
        // Policy 5.6.1; apt also takes names in use that are shorter.
        let valid = base
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
            && base.starts_with(|c: char| c.is_ascii_alphanumeric());
        let rest = &name[base.len()..];
        let complete = !rest.ends_with([':', '=', '/'])
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b":=/.+-~_".contains(&byte));
        let architecture = name
            .strip_prefix(base)
            .and_then(|rest| rest.strip_prefix(':'))
            .map(|rest| rest.split(['=', '/']).next().unwrap_or(rest));
        if let Some(architecture) = architecture.filter(|_| valid && complete)
            && !matches!(architecture, "any" | "all" | "native")
            && Architecture::by_name(architecture).is_none()
        {
            return Err(format!("`{name}`: {}", unknown_architecture(architecture)));
        }
        if valid && complete {
            Ok(())
        } else {
            Err(format!(
                "`{}` is not the name of a package; give them as NAME, NAME:ARCH, NAME=VERSION or NAME/SUITE",
                task_progress::escape(name)
            ))
        }
    })
}

/// Names of one value. An option may be given more than once, and its names are joined afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// Parses names between commas or blanks, each of which must pass `check`.
fn names(value: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<Names, String> {
    let mut found = Vec::new();
    for name in value
        .split(|c: char| c == ',' || c.is_ascii_whitespace())
        .filter(|name| !name.is_empty())
    {
        check(name)?;
        found.push(name.to_owned());
    }
    if found.is_empty() {
        return Err("there is no name in it".to_owned());
    }
    Ok(Names(found))
}

/// Parses `--mirror`: an http, https or file URL, a one-line source, or a sources file. Lines and files themselves are
/// parsed when archives are opened.
pub(super) fn mirror(value: &str) -> Result<String, String> {
    let trimmed = value.trim();
    if trimmed.starts_with("deb ") || trimmed.starts_with("deb\t") || trimmed.starts_with("deb-src ") {
        return Ok(trimmed.to_owned());
    }
    let path = Path::new(value);
    if value.is_empty() || value.contains('\n') || path.is_file() && !value.contains("://") {
        return Ok(value.to_owned());
    }
    if path
        .extension()
        .is_some_and(|end| end == "list" || end == "sources")
        && !value.contains("://")
    {
        return if path.is_file() {
            Ok(value.to_owned())
        } else {
            Err("there is no such file".to_owned())
        };
    }
    if path.is_dir() {
        return Ok(value.to_owned());
    }
    if is_file(value) {
        return Err("there is no such file or directory".to_owned());
    }
    match Url::parse(trimmed) {
        Ok(_) => match parse_mirror_argument(trimmed, "stable", &["main".to_owned()]) {
            Err(ArchiveError::BadMirror { reason, .. }) => Err(reason),
            Err(error) => Err(error.to_string()),
            Ok(_) => Ok(trimmed.to_owned()),
        },
        Err(_) => Err(
            "give a URL as http://mirror.example.org/debian, a line as `deb URL SUITE COMPONENT`, \
             a file that ends in .sources or .list, or a directory of packages"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("512", Some(512)),
            ("2k", Some(2048)),
            ("800M", Some(800 << 20)),
            ("2GiB", Some(2 << 30)),
            ("8388607T", Some(8_388_607 << 40)),
            ("99999999T", None),
            ("-1", None),
            ("1.5G", None),
            ("G", None),
            ("", None),
        ] {
            assert_eq!(size(text).ok(), bytes, "{text}");
        }
        assert!(uuid("11111111-2222-4333-8444-55555555555A").is_ok_and(|uuid| uuid.ends_with('a')));
        assert!(uuid("11111111-2222-4333-8444").is_err() && uuid("x").is_err());
    }

    #[test]
    fn timeouts() {
        assert_eq!(timeout("10min"), Ok(Duration::from_secs(600)));
        assert_eq!(timeout("1h 30min"), Ok(Duration::from_secs(5400)));
        assert_eq!(timeout("90"), Ok(Duration::from_secs(90)));
        assert!(timeout("0").is_err());
        assert!(timeout("soon").is_err_and(|error| error.contains("10min")));
        assert_eq!(download_timeout("5min"), Ok(Duration::from_secs(300)));
        assert!(download_timeout("0").is_err() && download_timeout("2days").is_err());
    }

    #[test]
    fn architecture_lists() {
        let two = Names(vec!["riscv64".to_owned(), "amd64".to_owned()]);
        assert_eq!(architectures("riscv64,amd64"), Ok(two.clone()));
        assert_eq!(architectures(" riscv64 amd64"), Ok(two));
        assert!(architectures("").is_err());
        assert!(architectures("riscv64,vax").is_err_and(|error| error.contains("`vax`")));
        for (name, debian) in [
            ("x86_64", "`amd64`"),
            ("aarch64", "`arm64`"),
            ("linux/arm64", "`arm64`"),
            ("linux/arm/v7", "`armhf`"),
            ("linux/riscv64", "`riscv64`"),
            ("armv7", "`armhf`"),
            ("armv7l", "`armhf`"),
            ("i686", "`i386`"),
            ("ppc64le", "`ppc64el`"),
            ("riscv64-linux-gnu", "`riscv64`"),
            ("AArch64", "`arm64`"),
            ("ppc", "`powerpc`"),
            ("riscv46", "`riscv64`"),
        ] {
            let error = architectures(name).unwrap_err();
            assert!(error.contains(debian), "{name}: {error}");
        }
    }

    #[test]
    fn package_lists() {
        assert_eq!(
            packages("a, b:riscv64\tc=1:2~3+b1 d/sid,libstdc++6"),
            Ok(Names(
                ["a", "b:riscv64", "c=1:2~3+b1", "d/sid", "libstdc++6"]
                    .map(str::to_owned)
                    .to_vec()
            ))
        );
        let error = packages("libc6:x86_64").unwrap_err();
        assert!(error.contains("`amd64`"), "{error}");
        for bad in [
            "",
            ",",
            "../etc",
            "A",
            "a=",
            "a:",
            "-f",
            "a\x1bb",
            "a;b",
            "/nowhere/a.deb",
        ] {
            assert!(packages(bad).is_err(), "{bad:?}");
        }
        let whole = |value: &str| packages(value).map(|names| names.0);
        assert_eq!(whole("?or(~na, ~nb)"), Ok(vec!["?or(~na, ~nb)".to_owned()]));
        assert_eq!(
            whole("libc6*,a-,b+"),
            Ok(["libc6*", "a-", "b+"].map(str::to_owned).to_vec())
        );
        let directory = tempfile::tempdir().unwrap();
        let deb = directory.path().join("a b.deb");
        std::fs::write(&deb, "").unwrap();
        let path = deb.to_str().unwrap();
        assert_eq!(whole(path), Ok(vec![path.to_owned()]));
    }

    #[test]
    fn suites() {
        assert!(suite("stable").is_ok() && suite("trixie-backports").is_ok() && suite("a/b").is_ok());
        assert!(suite("").is_ok());
        for bad in ["../x", "a//b", "/a", "a b", "a/../b"] {
            assert!(suite(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mirrors() {
        assert!(mirror("http://mirror.example.org/debian").is_ok());
        assert!(mirror("file:///srv/debian").is_ok());
        assert!(mirror("deb [signed-by=/k] http://mirror.example.org/debian sid main").is_ok());
        assert!(mirror("ftp://mirror.example.org/").is_err_and(|error| error.contains("ftp")));
        assert!(mirror("/nowhere/x.sources").is_err());
        assert!(mirror("debian").is_err());
        assert!(mirror("./nowhere/").is_err_and(|error| error.contains("no such")));
        assert!(mirror("mirror+file:/etc/mirrors.txt").is_ok() && mirror("/").is_ok());
        assert!(mirror("ssh://mirror.example.org/").is_err_and(|error| error.contains("sshfs")));
        assert!(mirror("deb-src http://mirror.example.org/ sid main").is_ok());
        assert!(mirror("").is_ok() && mirror("Types: deb\n").is_ok());
    }
}
