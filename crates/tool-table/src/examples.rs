//! Examples of rows, for tests.

use crate::Tool;
use alloc::string::String;
use alloc::vec::Vec;

/// Example of a row: a call, and what becomes of it.
#[derive(Debug)]
pub struct Example {
    /// Architecture of the target (`s390x$`) or differing traits of the machines (`byte order>`) in front of the
    /// call; none for a chrootless wrapper.
    pub setting: Option<Setting>,
    /// Tool, and its arguments.
    pub words: Vec<&'static str>,
    /// Outcome.
    pub outcome: String,
}

/// Setting of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Debian's name of the target's architecture.
    Target(&'static str),
    /// Traits in which the machines differ, as in [`output`](crate::output).
    Differing(u8),
}

impl Tool {
    /// Returns the examples of the row.
    ///
    /// # Panics
    /// The text is not of the form that the crate's documentation describes.
    pub fn examples(&self) -> Vec<Example> {
        let mut all: Vec<Example> = Vec::new();
        for line in self.example_text.lines().filter(|line| !line.is_empty()) {
            match (line.strip_prefix("    "), all.last_mut()) {
                (Some(more), Some(example)) => {
                    if !example.outcome.is_empty() {
                        example.outcome.push(' ');
                    }
                    example.outcome.push_str(more);
                }
                (Some(_), None) => panic!("{line:?} belongs to no call"),
                (None, _) => all.push(call(line)),
            }
        }
        all
    }
}

fn call(line: &'static str) -> Example {
    let (setting, call) = if let Some((name, call)) = line.split_once("$ ") {
        (Some(Setting::Target(name)), call)
    } else if let Some((names, call)) = line.split_once("> ") {
        let traits = names.split(", ").map(|name| {
            let known = crate::output::TRAITS.iter().find(|(_, known)| *known == name);
            known
                .unwrap_or_else(|| panic!("{name:?} is no trait of a machine"))
                .0
        });
        (
            Some(Setting::Differing(traits.fold(0, |all, one| all | one))),
            call,
        )
    } else {
        (None, line)
    };
    Example {
        setting,
        words: call.split(' ').collect(),
        outcome: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{self, Verdict};
    use alloc::collections::BTreeSet;

    #[test]
    fn outputs_are_judged_as_in_the_examples() {
        for tool in crate::tools() {
            let mut shown = 0;
            for example in tool.examples() {
                let Some(Setting::Differing(traits)) = example.setting else {
                    continue;
                };
                let (program, arguments) = example.words.split_first().unwrap();
                let arguments: Vec<&[u8]> = arguments.iter().map(|word| word.as_bytes()).collect();
                let outcome = |traits| match output::judge(program.as_bytes(), &arguments, traits) {
                    Verdict::Run => "run",
                    Verdict::Convert(_) => "convert",
                    Verdict::Cross(..) => "cross",
                    Verdict::Processor => "processor",
                    Verdict::Refuse(..) => "refuse",
                };
                assert_eq!(outcome(traits), example.outcome, "{:?}", example.words);
                assert_eq!(outcome(0), "run", "{:?}", example.words);
                shown += 1;
            }
            assert_eq!(shown > 0, !tool.outputs.is_empty(), "{}", tool.names);
        }
    }

    #[test]
    fn each_thing_that_a_row_says_has_an_example() {
        for tool in crate::tools() {
            let examples = tool.examples();
            let wrapped = examples.iter().any(|example| example.setting.is_none());
            let answered = |example: &Example| matches!(example.setting, Some(Setting::Target(_)));
            assert_eq!(wrapped, tool.root.is_some(), "{}", tool.names);
            assert_eq!(
                examples.iter().any(answered),
                tool.answer.is_some(),
                "{}",
                tool.names
            );
            assert!(
                examples.iter().all(|example| !example.outcome.is_empty()),
                "{}",
                tool.names
            );
            assert!(
                tool.root
                    .is_none_or(|root| !root.why.is_empty() && !root.method.name().is_empty())
            );
        }
    }

    #[test]
    fn a_tool_is_in_one_row() {
        let mut seen = BTreeSet::new();
        for name in crate::tools().flat_map(|tool| tool.names.split(' ')) {
            assert!(
                !name.is_empty() && seen.insert(name),
                "{name:?} is twice in the table"
            );
        }
    }

    #[test]
    fn versions_of_interpreters_are_known() {
        let names = |name: &[u8]| crate::wrapped(name).map(|tool| tool.names);
        assert_eq!(names(b"python3.14"), Some("python"));
        assert_eq!(names(b"perl5.40.1"), Some("perl"));
        assert_eq!(
            (names(b"python3x"), names(b"bash5"), names(b"3")),
            (None, None, None)
        );
    }
}
