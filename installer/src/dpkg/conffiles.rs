//! Conffiles that were changed: the user's choice, given before (`--force-conf…`) or asked for.

use super::messages::Messages;
use super::options::Options;
use dpkg_db::{Choice, ConffileRules, DpkgError, Question};

/// The user's choices about conffiles.
pub(super) struct Rules<'r> {
    messages: &'r Messages,
    options: &'r Options,
}

impl<'r> Rules<'r> {
    pub(super) fn new(messages: &'r Messages, options: &'r Options) -> Self {
        Self { messages, options }
    }

    /// Returns the choice that is forced, with dpkg's message; none where the user is asked.
    fn forced(&self) -> Option<(Choice, &'static str)> {
        let forces = &self.options.forces;
        if forces.has("confdef") {
            Some((Choice::Keep, "Keeping old config file as default."))
        } else if forces.has("confnew") {
            Some((Choice::Install, "Using new file as you requested."))
        } else if forces.has("confold") {
            Some((Choice::Keep, "Using current old file as you requested."))
        } else {
            None
        }
    }

    /// Asks the user on standard error, and reads the answer from standard input.
    fn ask(&self, question: &Question<'_>) -> Result<Choice, DpkgError> {
        let failed = |problem: &str| DpkgError::Unanswered {
            problem: problem.to_owned(),
        };
        let name = question.path.rsplit('/').next().unwrap_or_default();
        loop {
            self.messages.tell(&format!(
                "   What would you like to do about it ?  Your options are:\n    \
                 Y or I  : install the package maintainer's version\n    \
                 N or O  : keep your currently-installed version\n \
                 The default action is to keep your current version.\n\
                 *** {name} (Y/I/N/O) [default=N] ? "
            ));
            let line = match self.messages.read_line() {
                Ok(line) if line.is_empty() => return Err(failed("end of file on stdin at conffile prompt")),
                Err(error) => {
                    return Err(failed(&format!(
                        "read error on stdin at conffile prompt: {error}"
                    )));
                }
                Ok(line) => line,
            };
            match line
                .trim()
                .chars()
                .next()
                .map(|answer| answer.to_ascii_lowercase())
            {
                Some('y' | 'i') => return Ok(Choice::Install),
                Some('n' | 'o') | None => return Ok(Choice::Keep),
                Some(_) => {}
            }
        }
    }
}

impl ConffileRules for Rules<'_> {
    fn installs_missing(&self) -> bool {
        self.options.forces.has("confmiss")
    }

    fn asks_always(&self) -> bool {
        self.options.forces.has("confask")
    }

    fn answer(&mut self, question: &Question<'_>) -> Result<Choice, DpkgError> {
        let root = self.options.root.display().to_string();
        let outside = |path: &std::path::Path| format!("{}{}", root.trim_end_matches('/'), path.display());
        self.messages.status(&format!(
            "status: {} : conffile-prompt : '{}' '{}' {} {} ",
            question.path,
            outside(question.place),
            outside(question.new),
            u8::from(question.edited),
            u8::from(question.updated)
        ));
        self.messages.tell(&format!(
            "\nConfiguration file '{}' (actually '{}')\n",
            question.path,
            outside(question.place)
        ));
        if question.local {
            self.messages.tell(
                " ==> File on system created by you or by a script.\n \
                 ==> File also in package provided by package maintainer.\n",
            );
        } else {
            self.messages.tell(&format!(
                "{}\n",
                match (question.edited, question.deleted) {
                    (false, _) => "     Not modified since installation.",
                    (true, false) => " ==> Modified (by you or by a script) since installation.",
                    (true, true) => " ==> Deleted (by you or by a script) since installation.",
                }
            ));
            self.messages.tell(&format!(
                "{}\n",
                if question.updated {
                    " ==> Package distributor has shipped an updated version."
                } else {
                    "     Version in package is the same as at last installation."
                }
            ));
        }
        let choice = match self.forced() {
            Some((choice, said)) => {
                self.messages.tell(&format!(" ==> {said}\n"));
                choice
            }
            None => self.ask(question)?,
        };
        let word = if choice == Choice::Install {
            "install"
        } else {
            "keep"
        };
        self.messages.log(&format!("conffile {} {word}", question.path));
        Ok(choice)
    }

    fn missing(&mut self, path: &str) {
        self.messages.tell(&format!(
            "\nConfiguration file '{path}', does not exist on system.\nInstalling new config file as you requested.\n"
        ));
    }

    fn replacing(&mut self, path: &str) {
        self.messages
            .say(&format!("Installing new version of config file {path} ..."));
    }
}
