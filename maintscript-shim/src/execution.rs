//! Executing a native counterpart: with the environment it needs, and where its
//! output must be changed, as a process whose output is read.

use crate::answers::{Execution, Rewrite};
use crate::paths::{Architecture, LOCALES, NATIVE_BIG_ENDIAN};
use crate::{base_name, complain, elf, sys};
use shim_protocol::paths::{LIBRARY_MAP, SYSROOT};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

/// With an audit library the loader sets thread-local storage up before it knows the
/// program's libraries, and some need more of it than it keeps free (ld.so(8), jemalloc). It is part
/// of the stack of each thread, and servers start threads with small ones.
const THREAD_STORAGE: &str = "glibc.rtld.optional_static_tls=8192";
/// Names the variables that this helper has set for a program, which are taken away from what that program executes.
const MARK: &str = "ROOTLESS_INSTALL_SET";

/// Executes the counterpart `native` with `path` as its name (`argv[0]`). Returns the
/// exit status, where it returns.
///
/// # Errors
/// It cannot be executed.
pub(crate) fn run(
    arch: &Architecture,
    native: &OsStr,
    path: &OsStr,
    rest: &[OsString],
    how: Execution,
) -> std::io::Result<i32> {
    let elsewhere = how.libraries || elf::looks_elsewhere(native);
    let environment = environment(arch, std::env::vars_os().collect(), &how, elsewhere);
    if let Some(first) = &how.first {
        // The directory is for all users of the view, as /dev/shm is.
        let _ = std::fs::create_dir(LOCALES);
        let _ = Command::new(native)
            .args(first)
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    let mut arguments = how.arguments;
    arguments.extend(rest.iter().cloned());
    let path = match how {
        Execution { by_name: true, .. } => OsStr::from_bytes(base_name(path)),
        Execution { by_path: true, .. } => native,
        _ => path,
    };
    let Some(rewrite) = how.rewrite else {
        let Some(after) = how.after else {
            return Err(sys::execute(native, path, &arguments, &environment));
        };
        let status = Command::new(native)
            .arg0(path)
            .args(&arguments)
            .env_clear()
            .envs(environment)
            .status()?;
        if status.success() {
            after(arch, &arguments).map_err(|error| {
                std::io::Error::other(format!("what it wrote cannot be converted: {error}"))
            })?;
        }
        return Ok(exit_status(status));
    };
    arguments.retain(|argument| !rewrite.without.iter().any(|left_out| argument == left_out));
    let output = Command::new(native)
        .arg0(path)
        .args(arguments)
        .env_clear()
        .envs(environment)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output();
    let output = output?;
    if let Err(error) = deliver(arch, &rewrite, &output) {
        let file = rewrite.file.unwrap_or_default();
        complain(&[
            b"rootless-install: cannot write ",
            file.as_bytes(),
            b": ",
            error.to_string().as_bytes(),
        ]);
        return Ok(1);
    }
    Ok(exit_status(output.status))
}

/// Returns the exit status as a shell passes it on.
fn exit_status(status: ExitStatus) -> i32 {
    let signal = status.signal().map_or(1, |signal| 128 + signal);
    status.code().unwrap_or(signal)
}

fn deliver(arch: &Architecture, rewrite: &Rewrite, output: &std::process::Output) -> std::io::Result<()> {
    let text = match output.status.success() {
        true => (rewrite.text)(arch, &output.stdout),
        false => output.stdout.clone(),
    };
    match &rewrite.file {
        // To a file they write what they print, without the empty line at its end.
        Some(file) if output.status.success() => {
            std::fs::write(file, text.strip_suffix(b"\n").unwrap_or(&text))
        }
        _ => {
            sys::write_all(1, &text);
            Ok(())
        }
    }
}

type Variables = Vec<(OsString, OsString)>;

/// The caller's environment without what this helper has set in it, and with
/// what the program needs. One that looks for libraries nowhere else than the system does
/// finds them without help, and sees the environment of its caller.
fn environment(arch: &Architecture, mut variables: Variables, how: &Execution, elsewhere: bool) -> Variables {
    take_back(&mut variables);
    let mut set: Vec<(&str, OsString)> = how.variables.clone();
    if elsewhere {
        variables.push(("LD_AUDIT".into(), LIBRARY_MAP.into()));
        set.push(("GLIBC_TUNABLES", THREAD_STORAGE.into()));
    }
    // The target's locales cannot be read (locale(7), LOCPATH).
    if arch.is_big_endian() != NATIVE_BIG_ENDIAN {
        variables.push((
            "LOCPATH".into(),
            format!("{LOCALES}:{SYSROOT}/usr/lib/locale").into(),
        ));
    }
    if how.machine {
        set.push(("LD_PRELOAD", LIBRARY_MAP.into()));
    }
    let mut mark = Vec::new();
    for (name, value) in set {
        // What the caller has set is the caller's.
        if !variables.iter().any(|(known, _)| known == name) {
            mark.extend_from_slice(name.as_bytes());
            mark.push(b' ');
            variables.push((name.into(), value));
        }
    }
    if !mark.is_empty() {
        variables.push((MARK.into(), OsString::from_vec(mark)));
    }
    variables
}

/// Takes away what this helper has set in the environment of a program for that program alone.
pub(crate) fn take_back(variables: &mut Variables) {
    // Nobody else's: no library of a caller would find its place here.
    variables.retain(|(name, _)| name != "LD_AUDIT");
    variables.retain(|(name, value)| name != "LOCPATH" || !value.as_bytes().starts_with(LOCALES.as_bytes()));
    let Some(at) = variables.iter().position(|(name, _)| name == MARK) else {
        return;
    };
    let (_, mark) = variables.remove(at);
    let mark = mark.to_string_lossy().into_owned();
    variables.retain(|(name, _)| !mark.split(' ').any(|set| name == set));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An architecture of this machine's byte order.
    fn same() -> &'static Architecture {
        let name = if NATIVE_BIG_ENDIAN { "s390x" } else { "riscv64" };
        crate::paths::target(OsStr::new(name)).unwrap()
    }

    #[test]
    fn locales_of_another_byte_order() {
        let name = if NATIVE_BIG_ENDIAN { "riscv64" } else { "s390x" };
        let arch = crate::paths::target(OsStr::new(name)).unwrap();
        let theirs = environment(arch, Vec::new(), &Execution::default(), false);
        let path = theirs.iter().find(|(name, _)| name == "LOCPATH").unwrap();
        assert!(path.1.to_string_lossy().starts_with(LOCALES));
        let next = environment(arch, theirs.clone(), &Execution::default(), false);
        assert_eq!(next, theirs);
        assert!(
            !environment(same(), Vec::new(), &Execution::default(), false)
                .iter()
                .any(|(n, _)| n == "LOCPATH")
        );
    }

    fn variable(name: &str, value: &str) -> (OsString, OsString) {
        (name.into(), value.into())
    }

    #[test]
    fn what_is_set_is_taken_back() {
        let how = Execution {
            variables: vec![
                ("HOSTTYPE", "s390x".into()),
                ("R_PROFILE", "/y".into()),
                ("PERL5LIB", "/x".into()),
            ],
            libraries: true,
            machine: true,
            ..Execution::default()
        };
        let callers = vec![variable("PATH", "/bin"), variable("PERL5LIB", "/mine")];
        let theirs = environment(same(), callers.clone(), &how, true);
        let value = |name: &str| theirs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        assert_eq!(value("HOSTTYPE").unwrap(), "s390x");
        assert_eq!(value("LD_AUDIT").unwrap(), LIBRARY_MAP);
        assert_eq!(value("LD_PRELOAD").unwrap(), LIBRARY_MAP);
        assert_eq!(value("PERL5LIB").unwrap(), "/mine");
        // What it starts is another program, which gets the caller's environment.
        let next = environment(same(), theirs, &Execution::default(), false);
        assert_eq!(next, callers);
    }

    #[test]
    fn the_environment_of_others_stays() {
        let callers = vec![variable("LD_PRELOAD", "/mine.so"), variable("HOSTTYPE", "x")];
        let theirs = environment(same(), callers.clone(), &Execution::default(), false);
        assert_eq!(theirs, callers);
        let theirs = environment(same(), callers.clone(), &Execution::default(), true);
        let ours = [
            variable("LD_AUDIT", LIBRARY_MAP),
            variable("GLIBC_TUNABLES", THREAD_STORAGE),
            variable(MARK, "GLIBC_TUNABLES "),
        ];
        assert_eq!(theirs, [&callers[..], &ours].concat());
        assert_eq!(environment(same(), theirs, &Execution::default(), false), callers);
    }

    #[test]
    fn output_is_rewritten() {
        let arch = crate::paths::target(OsStr::new("riscv64")).unwrap();
        let dir = std::env::temp_dir().join(format!("shim-output-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("cache").to_string_lossy().into_owned();
        let how = Execution {
            rewrite: Some(Rewrite {
                text: |arch, text| [arch.name.as_bytes(), b" ", text].concat(),
                file: Some(file.clone()),
                without: &["--update"],
            }),
            ..Execution::default()
        };
        let given: Vec<OsString> = vec![
            "-c".into(),
            "echo $1".into(),
            "sh".into(),
            "--update".into(),
            "a".into(),
        ];
        let status = run(arch, OsStr::new("/bin/sh"), OsStr::new("sh"), &given, how).unwrap();
        assert_eq!(
            (status, std::fs::read_to_string(&file).unwrap()),
            (0, "riscv64 a".into())
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
}
