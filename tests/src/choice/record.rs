//! What came of requests: a file to which one line is appended for each answer. A run can be stopped at any time; a line
//! that was cut is not read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Answer;
use super::setting::Setting;
use crate::Result;
use crate::error::At as _;

/// Answers by what was asked.
#[derive(Debug)]
pub struct Answers {
    path: PathBuf,
    known: BTreeMap<String, Answer>,
}

/// Who was asked what, in which state of the archive.
#[must_use]
pub fn question(who: &str, state: &str, setting: &Setting, items: &[String]) -> String {
    format!("{who} {state} {} {}", setting.name, items.join(" "))
}

impl Answers {
    /// Reads a file; it need not be there yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let text = match std::fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).at(path),
        };
        Ok(Self {
            path: path.to_path_buf(),
            known: text.lines().filter_map(parse).collect(),
        })
    }

    /// An answer that is known.
    #[must_use]
    pub fn of(&self, question: &str) -> Option<&Answer> {
        self.known.get(question)
    }

    /// Appends an answer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&mut self, question: String, answer: Answer) -> Result<()> {
        if let Some(dir) = self.path.parent() {
            std::fs::create_dir_all(dir).at(dir)?;
        }
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .open(&self.path)
            .at(&self.path)?;
        file.write_all(line(&question, &answer).as_bytes())
            .at(&self.path)?;
        self.known.insert(question, answer);
        Ok(())
    }
}

fn line(question: &str, answer: &Answer) -> String {
    let chosen = answer.chosen.as_ref().map(|all| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        format!("+{}", all.join(" "))
    });
    let besides = answer.besides.replace(['\t', '\n', '\r'], " ");
    // The end mark tells a whole line from one that was cut; what is before it may be the end of another.
    format!("\n{question}\t{}\t{besides}\tend\n", chosen.unwrap_or_default())
}

fn parse(line: &str) -> Option<(String, Answer)> {
    let mut fields = line.strip_suffix("\tend")?.split('\t');
    let (question, chosen, besides) = (fields.next()?, fields.next()?, fields.next()?);
    let chosen = chosen
        .strip_prefix('+')
        .map(|all| -> BTreeSet<String> { all.split_whitespace().map(str::to_owned).collect() });
    let answer = Answer {
        chosen,
        besides: besides.to_owned(),
    };
    Some((question.to_owned(), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_kept() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("answers");
        let yes = Answer {
            chosen: Some(BTreeSet::from(["a:amd64=1".to_owned()])),
            besides: String::new(),
        };
        let none = Answer {
            chosen: Some(BTreeSet::new()),
            besides: String::new(),
        };
        let no = Answer {
            chosen: None,
            besides: "because\nof b".to_owned(),
        };
        let mut answers = Answers::open(&path).expect("opened");
        for (question, answer) in [("1", &yes), ("2", &none), ("3", &no)] {
            answers.add(question.to_owned(), answer.clone()).expect("added");
        }
        let mut text = std::fs::read_to_string(&path).expect("written");
        text.push_str("\n4\t+b:amd64=1\t");
        std::fs::write(&path, text).expect("written");
        let mut answers = Answers::open(&path).expect("opened");
        answers.add("5".to_owned(), yes.clone()).expect("added");
        let answers = Answers::open(&path).expect("opened");
        assert_eq!(answers.of("1"), Some(&yes));
        assert_eq!(answers.of("2"), Some(&none));
        assert_eq!(
            answers.of("3").map(|answer| answer.besides.as_str()),
            Some("because of b")
        );
        assert_eq!(answers.of("4"), None);
        assert_eq!(answers.of("5"), Some(&yes));
        assert!(yes.agrees(&yes) && no.agrees(&no) && !yes.agrees(&none) && !no.agrees(&none));
    }
}
