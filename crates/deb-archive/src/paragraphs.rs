//! The paragraphs of sources and preferences files.
//!
//! People write these, so an error names the line, and comments may stand
//! between the lines of one field.

/// Line number (from 1) where a paragraph starts, and its fields in order.
pub(super) type Paragraph = (usize, Vec<TextField>);

/// A field. The lines of its value keep their indentation and are joined by newlines.
#[derive(Debug)]
pub(super) struct TextField {
    /// Line number, from 1.
    pub(super) line: usize,
    /// Name as written.
    pub(super) name: String,
    /// Value.
    pub(super) value: String,
}

/// Returns the paragraphs of `text`. An error is the number of a line that is neither
/// a field, nor a continuation, nor a comment, and ends the list.
pub(super) fn paragraphs(text: &str) -> Vec<Result<Paragraph, usize>> {
    let mut all = Vec::new();
    let mut start = 1;
    let mut fields: Vec<TextField> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if line.trim().is_empty() {
            if !fields.is_empty() {
                all.push(Ok((start, std::mem::take(&mut fields))));
            }
        } else if line.starts_with('#') {
            continue;
        } else if line.starts_with([' ', '\t']) {
            match fields.last_mut() {
                Some(field) => {
                    field.value.push('\n');
                    field.value.push_str(line);
                }
                None => {
                    all.push(Err(number));
                    return all;
                }
            }
        } else {
            match line.split_once(':') {
                Some((name, value)) if !name.is_empty() && !name.contains(char::is_whitespace) => {
                    if fields.is_empty() {
                        start = number;
                    }
                    fields.push(TextField {
                        line: number,
                        name: name.to_owned(),
                        value: value.trim().to_owned(),
                    });
                }
                _ => {
                    all.push(Err(number));
                    return all;
                }
            }
        }
    }
    if !fields.is_empty() {
        all.push(Ok((start, fields)));
    }
    all
}
