//! YAML as values that know their lines.

use super::BdebstrapError;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::path::Path;

/// Most bytes of a file.
pub(super) const MOST_BYTES: u64 = 4 << 20;
/// Most values, those that aliases repeat included.
const MOST_VALUES: usize = 100_000;
/// Most levels.
const MOST_LEVELS: usize = 32;

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Its line, from one.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a value can be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Text, a number, or a word that means something without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Whether it is no value.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()))
    }
}

/// Parses the first document of a text.
///
/// # Errors
/// It is no YAML, or too much.
pub(super) fn parse(path: &Path, text: &str) -> Result<Option<Node>, BdebstrapError> {
    let mut reader = Reader {
        path,
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        values: 0,
    };
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(None),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => return reader.node(event, span, 0).map(Some),
        }
    }
}

struct Reader<'y> {
    path: &'y Path,
    parser: Parser<'y, saphyr_parser::StrInput<'y>>,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl<'y> Reader<'y> {
    fn wrong(&self, line: usize, what: impl Into<String>) -> BdebstrapError {
        BdebstrapError::Wrong {
            path: self.path.to_owned(),
            line,
            what: what.into(),
        }
    }

    fn next(&mut self) -> Result<(Event<'y>, Span), BdebstrapError> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.wrong(error.marker().line(), error.info())),
            None => Err(self.wrong(0, "the file ends within a value")),
        }
    }

    fn node(&mut self, event: Event<'y>, span: Span, level: usize) -> Result<Node, BdebstrapError> {
        let line = span.start.line();
        if level > MOST_LEVELS {
            return Err(self.wrong(line, "lists and mappings are too deep here"));
        }
        self.values += 1;
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.wrong(line, "an alias stands within what it repeats"));
                };
                self.values += size(&node);
                (0, node.value)
            }
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let text = text.into_owned();
                (anchor, Value::Scalar { text, plain })
            }
            Event::SequenceStart(anchor, _) => {
                let mut all = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => all.push(self.node(event, span, level + 1)?),
                    }
                }
                (anchor, Value::List(all))
            }
            Event::MappingStart(anchor, _) => {
                let mut all = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if event == Event::MappingEnd {
                        break;
                    }
                    let key = self.node(event, span, level + 1)?;
                    let (event, span) = self.next()?;
                    all.push((key, self.node(event, span, level + 1)?));
                }
                (anchor, Value::Map(all))
            }
            _ => return Err(self.wrong(line, "a value is missing here")),
        };
        if self.values > MOST_VALUES {
            return Err(self.wrong(line, format!("there are more than {MOST_VALUES} values")));
        }
        let node = Node { line, value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }
}

/// Returns the number of values in one.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::List(all) => all.iter().map(size).sum(),
        Value::Map(all) => all.iter().map(|(key, value)| size(key) + size(value)).sum(),
    }
}
