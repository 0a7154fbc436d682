//! Calls of dpkg by programs in a view of the target: what apt does there, or a user.
//!
//! The work is done here, in the session of the view. The caller's process is the shim's, which runs scripts. The
//! target's own configuration of dpkg counts (dpkg.cfg(5)), as nothing of this machine's does.

use super::changes::Host;
use super::engine::Engine;
use super::fault::{Fault, Result};
use super::messages::Messages;
use super::options::Call;
use super::parse::{Defaults, Parsed, parse};
use super::places::{Places, ViewPlaces};
use super::{act_on, queries, query_words, status};
use crate::dpkg_configuration;
use deb_arch::Architecture;
use rootless_install_fs::{FileType, Meta, Target};
use script_host::{Dpkg, DpkgAnswer, DpkgCall, Session};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use task_progress::Cancel;

/// Answers calls of dpkg in a session.
pub struct InSession<'h> {
    /// The target.
    pub target: &'h Target,
    /// Architecture of the target.
    pub architecture: &'static Architecture,
    /// Directories and files of this machine that are seen in the view: the path there, and the path here.
    pub bound: Vec<(PathBuf, PathBuf)>,
    /// The token that stops the work.
    pub cancel: &'h Cancel,
}

impl Dpkg for InSession<'_> {
    fn call(&self, session: &mut Session<'_>, call: DpkgCall) -> DpkgAnswer {
        let variable = |name: &str| {
            let found = call.environment.iter().find(|(known, _)| known == name);
            found
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
        };
        let number = |name| variable(name)?.to_str()?.parse().ok();
        let defaults = Defaults {
            root: variable("DPKG_ROOT").map(Into::into),
            admindir: variable("DPKG_ADMINDIR").map(Into::into),
            source_date_epoch: number("SOURCE_DATE_EPOCH"),
            frontend_locked: variable("DPKG_FRONTEND_LOCKED").is_some(),
        };
        let parsed = match call.program.as_bytes() {
            b"dpkg-query" => {
                query_words::parse(call.arguments, &defaults).map(|call| Parsed::Call(Box::new(call)))
            }
            _ => parse(configured(self.target).chain(call.arguments), &defaults),
        };
        let listeners = call.named.into_iter().map(|(_, descriptor)| descriptor).collect();
        let debug = match &parsed {
            Ok(Parsed::Call(call)) => call.options.debug,
            _ => 0,
        };
        let messages = Arc::new(Messages::with(call.standard, listeners, debug));
        if matches!(&parsed, Ok(Parsed::Call(call)) if call.action.is_query()) || call.program == "dpkg-query"
        {
            messages.speak_as_query();
        }
        match parsed {
            Ok(Parsed::Backend(_)) => DpkgAnswer::Native,
            Ok(Parsed::Call(parsed)) => {
                let done = self.run(*parsed, call.directory, session, &messages);
                DpkgAnswer::Done(status(done, &messages))
            }
            Err(problem) => {
                let advice = match call.program == "dpkg-query" {
                    true => "Use --help for help about querying packages.",
                    false => "Type dpkg --help for help about installing and deinstalling packages.",
                };
                messages.notice(&format!("error: {problem}\n\n{advice}"));
                DpkgAnswer::Done(2)
            }
        }
    }
}

impl InSession<'_> {
    fn run(
        &self,
        mut call: Call,
        directory: PathBuf,
        session: &mut Session<'_>,
        messages: &Arc<Messages>,
    ) -> Result<bool> {
        self.place(&mut call, directory)?;
        if let Some(answered) = queries::without_database(&call, messages) {
            return answered;
        }
        if let Some(log) = call.options.log.as_deref().filter(|_| call.action.runs_scripts()) {
            let path = Path::new("/").join(log);
            messages.open_log(&log.display().to_string(), open_log(self.target, &path));
        }
        let host = Host {
            call: &call,
            messages,
            cancel: self.cancel,
            target: self.target,
            architecture: self.architecture,
        };
        act_on(&host, |host, database| {
            let options = &host.call.options;
            invoke(session, "pre-invoke", &options.pre_invoke, host.call)?;
            if !options.status_loggers.is_empty() {
                messages.keep_status();
            }
            let done = Engine::new(host, database, session).act();
            tell_loggers(session, &options.status_loggers, messages)?;
            invoke(session, "post-invoke", &options.post_invoke, host.call)?;
            done
        })
    }

    /// Gives paths of a call their meaning on this machine.
    fn place(&self, call: &mut Call, directory: PathBuf) -> Result {
        let options = &mut call.options;
        let refuse = |option: &str, path: &Path| {
            Err(Fault::Call(format!(
                "--{option}={}: in a view of a target, dpkg works on the target itself only",
                path.display()
            )))
        };
        if directory.join(&options.root).components().nth(1).is_some() {
            return refuse("root", &options.root);
        }
        let own: PathBuf = Path::new(dpkg_db::ADMIN).components().collect();
        let other = |admindir: &PathBuf| directory.join(admindir).components().collect::<PathBuf>() != own;
        if let Some(admindir) = options.admindir.take().filter(other) {
            return refuse("admindir", &admindir);
        }
        if let Some(arch) = options.arch.filter(|arch| *arch != self.architecture) {
            return Err(Fault::Call(format!(
                "the target is for {}, not for {}",
                self.architecture.name, arch.name
            )));
        }
        options.places = Places::View(ViewPlaces {
            target: self.target.clone(),
            directory,
            bound: self.bound.clone(),
        });
        Ok(())
    }
}

/// Returns the options of the target's configuration as words of a command line.
fn configured(target: &Target) -> impl Iterator<Item = OsString> {
    dpkg_configuration::lines(target)
        .into_iter()
        .map(|(option, value)| {
            let mut word = OsString::from(format!("--{option}"));
            if !value.is_empty() {
                word.push("=");
                word.push(OsStr::from_bytes(value.as_bytes()));
            }
            word
        })
}

/// Opens the log, a file of the target, at its end.
fn open_log(target: &Target, path: &Path) -> io::Result<File> {
    let failed = |error: rootless_install_fs::Error| io::Error::other(error.to_string());
    if matches!(target.stat_follow(path), Err(error) if error.is_not_found()) {
        let meta = Meta::of_root(FileType::Regular, 0o644);
        target.write(path, b"", &meta).map_err(failed)?;
    }
    let path = target.real_path(path).map_err(failed)?;
    File::options().append(true).open(path)
}

/// Runs the commands of an option, as dpkg does it (`run_invoke_hooks` in its source).
fn invoke(session: &mut Session<'_>, option: &str, commands: &[String], call: &Call) -> Result {
    let variables = [("DPKG_HOOK_ACTION".to_owned(), call.action.name().to_owned())];
    for command in commands {
        let ran = session.run("dpkg", &["/bin/sh", "-c", command], &variables)?;
        if let Some(failure) = ran.failure() {
            return Err(Fault::Call(format!(
                "error executing hook '{command}' (--{option}), {failure}"
            )));
        }
    }
    Ok(())
}

/// Most bytes of an argument that gives a logger its input: the kernel takes 128 KiB (`MAX_ARG_STRLEN`, execve(2)).
const ARGUMENT: usize = 100 << 10;
/// Most such arguments.
const ARGUMENTS: usize = 10;

/// Runs the commands of `--status-logger`, with what front ends were told as their standard input and no standard output.
///
/// dpkg's read as it works; here they read in the end, since a program in the view has the caller's files only.
/// How they end is nobody's business there, either.
fn tell_loggers(session: &mut Session<'_>, loggers: &[String], messages: &Messages) -> Result {
    const FEED: &str = "logger=$1; shift; printf %s \"$@\" | /bin/sh -c \"$logger\" >&-";
    if loggers.is_empty() {
        return Ok(());
    }
    let mut parts = vec![String::new()];
    for line in messages.kept_status() {
        if parts.last().is_none_or(|part| part.len() + line.len() > ARGUMENT) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(&line);
        }
    }
    for logger in loggers {
        for parts in parts.chunks(ARGUMENTS) {
            let mut command = vec!["/bin/sh", "-c", FEED, "sh", logger];
            command.extend(parts.iter().map(String::as_str));
            session.run("dpkg", &command, &[])?;
        }
    }
    Ok(())
}
