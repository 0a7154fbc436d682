//! Paragraphs of files that people edit: sources, preferences, tables of this program.
//!
//! As deb822(5) has them, and as apt reads its own files: an error names the line, comments may stand
//! between the lines of one field, and a blank before the colon does not matter. What programs write is [`crate::control`]'s.

/// A paragraph.
#[derive(Clone, Debug)]
pub struct Paragraph {
    /// Number of its first line, from 1.
    pub line: usize,
    /// Fields in order.
    pub fields: Vec<Field>,
}

/// A field. The lines of its value keep their indentation and are joined by newlines.
#[derive(Clone, Debug)]
pub struct Field {
    /// Number of its line, from 1.
    pub line: usize,
    /// Name as written.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A line that is neither a field, nor a continuation, nor a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoField {
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl Paragraph {
    /// The first field of a name, in letters of any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

/// Returns the paragraphs of `text`, up to the first error.
#[must_use]
pub fn paragraphs(text: &str) -> Vec<Result<Paragraph, NoField>> {
    let mut all = Vec::new();
    let mut line = 1;
    let mut fields: Vec<Field> = Vec::new();
    for (number, whole) in text.lines().enumerate() {
        let number = number + 1;
        if whole.trim().is_empty() {
            if !fields.is_empty() {
                let fields = std::mem::take(&mut fields);
                all.push(Ok(Paragraph { line, fields }));
            }
            continue;
        }
        if whole.starts_with('#') {
            continue;
        }
        let continues = whole.starts_with([' ', '\t']);
        let field = whole
            .split_once(':')
            .map(|(name, value)| (name.trim_end(), value.trim()))
            .filter(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace));
        match (
            fields.last_mut().filter(|_| continues),
            field.filter(|_| !continues),
        ) {
            (Some(before), _) => {
                before.value.push('\n');
                before.value.push_str(whole);
            }
            (None, Some((name, value))) => {
                if fields.is_empty() {
                    line = number;
                }
                fields.push(Field {
                    line: number,
                    name: name.to_owned(),
                    value: value.to_owned(),
                });
            }
            (None, None) => {
                all.push(Err(NoField {
                    line: number,
                    text: whole.to_owned(),
                }));
                return all;
            }
        }
    }
    if !fields.is_empty() {
        all.push(Ok(Paragraph { line, fields }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted() {
        let text = "# own\n\nA : 1\n# between\n two\nb:\n\nC: 3\nno field\nD: 4\n";
        let all = paragraphs(text);
        let [Ok(first), Err(wrong)] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!((first.line, first.fields.len()), (3, 2));
        assert_eq!(
            first.get("a").map(|field| (field.line, field.value.as_str())),
            Some((3, "1\n two"))
        );
        assert_eq!(first.get("B").map(|field| field.value.as_str()), Some(""));
        assert_eq!((wrong.line, wrong.text.as_str()), (9, "no field"));
        assert!(matches!(
            paragraphs(" of nothing\n").as_slice(),
            [Err(NoField { line: 1, .. })]
        ));
    }
}
