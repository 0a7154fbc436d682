//! Exit statuses.

use std::process::ExitCode;

/// End of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: success.
    Success,
    /// 1: the result could not be made; nothing incomplete is left.
    Failure,
    /// 2: the command line is wrong.
    Usage,
    /// 3: `lint` has findings.
    Findings,
    /// That of a command that was run.
    OfCommand(u8),
    /// 128 + the signal's number: the user stopped the run; nothing is left.
    Signal(i32),
}

impl Exit {
    /// Returns the exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Findings => 3,
            Self::OfCommand(status) => status,
            Self::Signal(signal) => u8::try_from(signal).unwrap_or(0).saturating_add(128),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_shells_count() {
        assert_eq!(Exit::Signal(2).code(), 130);
        assert_eq!(Exit::Signal(15).code(), 143);
        assert_eq!(Exit::Signal(-1).code(), 128);
        assert_eq!(
            (Exit::Success.code(), Exit::Failure.code(), Exit::Usage.code()),
            (0, 1, 2)
        );
        assert_eq!(Exit::Findings.code(), 3);
    }
}
