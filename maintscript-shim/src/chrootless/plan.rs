//! Plans: from a row of the table and a command line to an action and findings. Nothing
//! is executed here.

use super::call::{self, Piece, Use};
use super::misled;
use super::owner::{self, Base, Known};
use super::paths::{self, Place, World};
use super::query;
use super::report::Finding;
use shim_protocol::ViolationKind;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use tool_table::root::{Asked, Confined, Method, Question, RootOption, Shape, Words};

/// Action of a call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The tool is executed, with these variables set.
    Run(&'static [(&'static str, &'static str)]),
    /// It is executed with the root as its root directory. Where that cannot be: as it is, or
    /// not at all.
    Confine {
        /// Not at all.
        or_nothing: bool,
    },
    /// It is executed with the environment of the root, because it goes there itself.
    Leave,
    /// The installer runs ldconfig.
    Ldconfig,
    /// It is answered.
    Answer(query::Answer),
}

/// Decision about a call.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The action.
    pub(crate) action: Action,
    /// The command line without the tool.
    pub(crate) arguments: Vec<OsString>,
    /// Reports to the installer.
    pub(crate) findings: Vec<Finding>,
}

impl Plan {
    fn new(action: Action, arguments: Vec<OsString>) -> Self {
        Self {
            action,
            arguments,
            findings: Vec::new(),
        }
    }

    /// A tool that knows of the root by itself.
    pub(crate) fn as_it_is(arguments: Vec<OsString>) -> Self {
        Self::new(RUN, arguments)
    }

    fn tell(mut self, kind: ViolationKind, what: &[u8], helped: bool) -> Self {
        self.findings.push(Finding {
            kind,
            subject: what.to_vec(),
            helped,
        });
        self
    }
}

const RUN: Action = Action::Run(&[]);

/// Makes the plan for a call of `tool`.
pub(crate) fn plan(
    world: &dyn World,
    root: &[u8],
    method: Option<&Method>,
    tool: &[u8],
    arguments: Vec<OsString>,
) -> Plan {
    let Some(method) = method else {
        return Plan::new(RUN, arguments).tell(ViolationKind::Uncovered, tool, false);
    };
    match method {
        Method::Environment | Method::Pure => Plan::new(RUN, arguments),
        Method::Arguments(shape) => operands(world, root, shape, tool, arguments),
        Method::Option(option) => with_option(world, root, option, arguments),
        Method::Chroot(how) => confined(world, root, how, tool, arguments),
        Method::Nothing { status, prints } => {
            let answer = Action::Answer(query::Answer::nothing(*status, prints));
            Plan::new(answer, arguments).tell(ViolationKind::OuterQuery, tool, true)
        }
        Method::Query(question) => asked(world, root, *question, tool, arguments),
        Method::Installer(Asked::Ldconfig) => ldconfig(arguments, root),
        Method::Installer(what) => match query::machine(world, root, *what, &arguments) {
            Some(answer) => {
                Plan::new(Action::Answer(answer), arguments).tell(ViolationKind::OuterQuery, tool, true)
            }
            None => Plan::new(RUN, arguments),
        },
    }
}

/// Operands and values of options are taken inside.
fn operands(
    world: &dyn World,
    root: &[u8],
    shape: &Shape,
    tool: &[u8],
    mut arguments: Vec<OsString>,
) -> Plan {
    // The operand behind the last bracket is none.
    let closing = match arguments.last() {
        Some(last) if tool == b"[" && last == "]" => arguments.pop(),
        _ => None,
    };
    let call = call::read(shape, &arguments);
    let misled = misled::is_misled(world, root, &call.pieces, &arguments);
    let mut plan = Plan::new(RUN, arguments);
    if misled {
        plan.action = Action::Answer(query::Answer::nothing(0, ""));
    }
    for piece in &call.pieces {
        // rm(1) refuses `/`, and would not refuse the root's path.
        let named = piece.of(&plan.arguments);
        if tool == b"rm" && named.starts_with(b"/") && paths::normal(named) == b"/" {
            note(&mut plan, ViolationKind::Path, b"/", false);
            continue;
        }
        change(world, root, piece, &mut plan);
    }
    // Patterns of find(1) are about names that begin with its starting points.
    if shape.words == Words::Find {
        plan.findings.retain(|finding| {
            let pattern = |piece: &Piece| {
                piece.used == Use::Look && piece.of(&plan.arguments).ends_with(&finding.subject)
            };
            !call.pieces.iter().any(pattern)
        });
    }
    plan.arguments.extend(closing);
    plan
}

/// Changes one part of the command line, and notes it.
fn change(world: &dyn World, root: &[u8], piece: &Piece, plan: &mut Plan) {
    let text = piece.of(&plan.arguments).to_vec();
    let base = match piece.used {
        Use::Owner => None,
        Use::User => Some(Base::Users),
        Use::Group => Some(Base::Groups),
        _ => match paths::place(world, root, &text, piece.used) {
            Place::Right => return,
            Place::Outside => return note(plan, ViolationKind::Path, &meant(world, &text), false),
            Place::Inside(path) => {
                replace(plan, piece, &path);
                return note(plan, ViolationKind::Path, &meant(world, &text), true);
            }
        },
    };
    let known = match base {
        Some(base) => owner::name(world, root, base, &text),
        None => owner::owner(world, root, &text),
    };
    match known {
        Known::Same => {}
        Known::Outside => note(plan, ViolationKind::OuterQuery, &text, false),
        Known::Other(number) => {
            replace(plan, piece, &number);
            note(plan, ViolationKind::OuterQuery, &text, true);
        }
    }
}

/// A path for who reads a finding: `.` says nothing.
fn meant(world: &dyn World, text: &[u8]) -> Vec<u8> {
    match text.starts_with(b"/") {
        true => text.to_vec(),
        false => paths::normal(&[&world.directory(), &b"/"[..], text].concat()),
    }
}

fn note(plan: &mut Plan, kind: ViolationKind, what: &[u8], helped: bool) {
    let finding = Finding {
        kind,
        subject: what.to_vec(),
        helped,
    };
    // The same is told once, though it may be named twice.
    if !plan.findings.contains(&finding) {
        plan.findings.push(finding);
    }
}

fn replace(plan: &mut Plan, piece: &Piece, text: &[u8]) {
    if let Some(argument) = plan.arguments.get_mut(piece.argument) {
        let mut bytes = argument.as_bytes().get(..piece.from).unwrap_or_default().to_vec();
        bytes.extend_from_slice(text);
        *argument = OsString::from_vec(bytes);
    }
}

/// The tool's own option, inserted where it is absent.
fn with_option(world: &dyn World, root: &[u8], option: &RootOption, arguments: Vec<OsString>) -> Plan {
    let shape = Shape {
        options: option.options,
        operands: &[("", "T*")],
        words: Words::Plain,
    };
    let call = call::read(&shape, &arguments);
    let roots: Vec<&Piece> = call
        .pieces
        .iter()
        .filter(|piece| piece.used == Use::Root)
        .collect();
    if !roots.is_empty() {
        // Given, but empty or `/`, it is as if it were not.
        let mut plan = Plan::new(RUN, arguments);
        for piece in roots {
            let text = piece.of(&plan.arguments).to_vec();
            if text.is_empty() || text == b"/" {
                replace(&mut plan, piece, root);
                note(
                    &mut plan,
                    ViolationKind::NoRootOption,
                    option.insert.as_bytes(),
                    true,
                );
            } else {
                change(world, root, piece, &mut plan);
            }
        }
        return plan;
    }
    let allowed = option.only_with.is_empty()
        || option
            .only_with
            .iter()
            .any(|word| arguments.iter().any(|argument| argument == word));
    if !allowed {
        // `--version` and the like ask nothing of a system.
        let verb = call.operands.first().and_then(|at| arguments.get(*at)).cloned();
        let plan = Plan::new(Action::Run(option.offline), arguments);
        return match verb {
            // What is told that no system runs does nothing.
            Some(verb) => plan.tell(
                ViolationKind::OuterQuery,
                verb.as_bytes(),
                !option.offline.is_empty(),
            ),
            None => plan,
        };
    }
    let root = OsStr::from_bytes(root);
    let mut inserted = vec![OsString::from(option.insert)];
    match (option.insert.ends_with('='), inserted.first_mut()) {
        (true, Some(first)) => first.push(root),
        _ => inserted.push(root.to_owned()),
    }
    let at = match call.operands.first() {
        Some(command) if option.behind_command => command + 1,
        _ => 0,
    };
    let mut changed = arguments;
    changed.splice(at..at, inserted);
    Plan::new(RUN, changed).tell(ViolationKind::NoRootOption, option.insert.as_bytes(), true)
}

/// chroot(2), unless the call is about the root already.
fn confined(world: &dyn World, root: &[u8], how: &Confined, tool: &[u8], arguments: Vec<OsString>) -> Plan {
    if let Some(shape) = &how.only_outside {
        return resolved(world, root, shape, arguments);
    }
    let shape = Shape {
        options: how.options,
        operands: &[("", "T*")],
        words: Words::Plain,
    };
    let call = call::read(&shape, &arguments);
    if call.pieces.iter().any(|piece| piece.used == Use::Root) {
        let mut plan = Plan::new(RUN, arguments);
        for piece in &call.pieces {
            change(world, root, piece, &mut plan);
        }
        return plan;
    }
    let asks = |word: &OsString| matches!(word.as_bytes(), b"--help" | b"--version" | b"-V");
    if arguments.iter().any(asks) {
        return Plan::new(RUN, arguments);
    }
    let confine = Action::Confine {
        or_nothing: how.or_nothing,
    };
    let inside = arguments
        .iter()
        .map(|argument| without_root(argument, root))
        .collect();
    // Whether it helps is known when it has been tried.
    Plan::new(confine, inside).tell(ViolationKind::NoRootOption, tool, true)
}

/// A call that prints paths: in the root when all of its paths are outside, for then
/// none has the root's directory in front.
fn resolved(world: &dyn World, root: &[u8], shape: &Shape, arguments: Vec<OsString>) -> Plan {
    let call = call::read(shape, &arguments);
    let outside: Vec<Vec<u8>> = call
        .pieces
        .iter()
        .map(|piece| piece.of(&arguments).to_vec())
        .filter(|path| path.starts_with(b"/"))
        .filter(|path| paths::place(world, root, path, Use::Look) != Place::Right)
        .collect();
    let Some(first) = outside.first() else {
        return Plan::new(RUN, arguments);
    };
    if outside.len() < call.pieces.len() {
        return Plan::new(RUN, arguments).tell(ViolationKind::Path, first, false);
    }
    Plan::new(Action::Confine { or_nothing: false }, arguments).tell(ViolationKind::Path, first, true)
}

/// An argument as it is in the root: `ROOT/etc/x` and `--file=ROOT/etc/x` without ROOT.
pub(crate) fn without_root(argument: &OsStr, root: &[u8]) -> OsString {
    let bytes = argument.as_bytes();
    let value = match bytes.iter().position(|&b| b == b'=') {
        Some(at) if !bytes.starts_with(b"/") => at + 1,
        _ => 0,
    };
    let (name, path) = bytes.split_at_checked(value).unwrap_or((bytes, b""));
    match path.strip_prefix(root) {
        Some(b"") => OsString::from_vec([name, b"/"].concat()),
        Some(rest) if rest.starts_with(b"/") => OsString::from_vec([name, rest].concat()),
        _ => argument.to_owned(),
    }
}

fn asked(world: &dyn World, root: &[u8], question: Question, tool: &[u8], arguments: Vec<OsString>) -> Plan {
    let first = |arguments: &[OsString]| -> Vec<u8> {
        let named = arguments.iter().find(|a| !a.as_bytes().starts_with(b"-"));
        named.map_or_else(|| tool.to_vec(), |a| a.as_bytes().to_vec())
    };
    let what = first(&arguments);
    let answer = match question {
        Question::Outer => None,
        Question::Locale => {
            let all =
                |word: &OsString| matches!(word.as_bytes(), b"-a" | b"--all-locales" | b"-m" | b"--charmaps");
            if !arguments.iter().any(all) {
                // It is about the process.
                return Plan::new(RUN, arguments);
            }
            None
        }
        Question::Chroot => {
            return match arguments.iter().any(|a| paths::normal(a.as_bytes()) == root) {
                true => Plan::new(Action::Leave, arguments).tell(ViolationKind::Chroot, root, true),
                false => Plan::new(RUN, arguments).tell(ViolationKind::Chroot, &what, false),
            };
        }
        Question::Getent => query::getent(world, root, &arguments),
        Question::Id | Question::Groups => {
            if !arguments.iter().any(|a| !a.as_bytes().starts_with(b"-")) {
                // It is about the process.
                return Plan::new(RUN, arguments);
            }
            match question {
                Question::Id => query::id(world, root, &arguments),
                _ => query::groups(world, root, &arguments),
            }
        }
    };
    match answer {
        Some(answer) => {
            Plan::new(Action::Answer(answer), arguments).tell(ViolationKind::OuterQuery, &what, true)
        }
        None => Plan::new(RUN, arguments).tell(ViolationKind::OuterQuery, &what, false),
    }
}

/// ldconfig(8): `-r` with the root.
fn ldconfig(arguments: Vec<OsString>, root: &[u8]) -> Plan {
    let shape = Shape {
        options: "-r=D -C=T -f=T -c,--format=T",
        operands: &[("", "T*")],
        words: Words::Plain,
    };
    if call::read(&shape, &arguments).has("-r") {
        return Plan::new(Action::Ldconfig, arguments);
    }
    let inserted = [OsString::from("-r"), OsString::from_vec(root.to_vec())];
    let arguments = inserted.into_iter().chain(arguments).collect();
    Plan::new(Action::Ldconfig, arguments).tell(ViolationKind::NoRootOption, b"-r", true)
}
