//! Changes of modes as chmod(1) takes them.

/// A change of a mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange(Change);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// A mode, and whether it says the set-id bits of directories.
    Absolute {
        mode: u32,
        all: bool,
    },
    Clauses(Vec<Clause>),
}

/// `[ugoa]*[-+=][perms]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clause {
    /// The bits that it is about.
    who: u32,
    /// Whether the user said whom it is about; else the file mode creation mask counts.
    named: bool,
    operator: char,
    bits: u32,
    /// `X`: execution for directories, and where somebody has it.
    conditional: bool,
    /// Bits are those of user, group or others: the number of the shift.
    copied: Option<u32>,
}

/// The file mode creation mask of a system's root.
const UMASK: u32 = 0o022;

impl ModeChange {
    /// Parses a change: `0755`, `u+rwX,go-w`, `+x`, `g=u`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no mode: give it as 0644, u+x or go-w,a+X");
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
            return match mode <= 0o7777 {
                true => Ok(Self(Change::Absolute {
                    mode,
                    all: text.len() > 4,
                })),
                false => Err(wrong()),
            };
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            let at = part.find(['+', '-', '=']).ok_or_else(wrong)?;
            let (who, mut rest) = part.split_at(at);
            let mut bits = 0;
            for letter in who.chars() {
                bits |= match letter {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    'a' => 0o7777,
                    _ => return Err(wrong()),
                };
            }
            while let Some(operator) = rest.chars().next() {
                rest = rest.get(1..).unwrap_or_default();
                let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
                let (permissions, next) = rest.split_at(end);
                rest = next;
                clauses.push(Clause::parse(bits, operator, permissions).ok_or_else(wrong)?);
            }
        }
        Ok(Self(Change::Clauses(clauses)))
    }

    /// Returns the mode that a file of mode `now` gets.
    pub fn apply(&self, now: u32, directory: bool) -> u32 {
        match &self.0 {
            // As GNU chmod: four digits do not take a directory's set-id bits.
            Change::Absolute { mode, all } if directory && !all => mode | (now & 0o6000),
            Change::Absolute { mode, .. } => *mode,
            Change::Clauses(clauses) => clauses
                .iter()
                .fold(now, |mode, clause| clause.apply(mode, directory)),
        }
    }
}

impl Clause {
    fn parse(who: u32, operator: char, permissions: &str) -> Option<Self> {
        let mut clause = Self {
            who: if who == 0 { 0o7777 } else { who },
            named: who != 0,
            operator,
            bits: 0,
            conditional: false,
            copied: None,
        };
        if let "u" | "g" | "o" = permissions {
            clause.copied = Some(match permissions {
                "u" => 6,
                "g" => 3,
                _ => 0,
            });
            return Some(clause);
        }
        for letter in permissions.chars() {
            clause.bits |= match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' => {
                    clause.conditional = true;
                    0
                }
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
        }
        Some(clause)
    }

    fn apply(&self, now: u32, directory: bool) -> u32 {
        let mut bits = match self.copied {
            Some(shift) => (now >> shift & 0o7) * 0o111,
            None => self.bits,
        };
        if self.conditional && (directory || now & 0o111 != 0) {
            bits |= 0o111;
        }
        let mask = if self.named { self.who } else { self.who & !UMASK };
        let bits = bits & mask;
        match self.operator {
            '+' => now | bits,
            '-' => now & !bits,
            _ => {
                // A directory keeps set-id bits that are not said.
                let kept = if directory {
                    self.who & 0o6000 & !self.bits
                } else {
                    0
                };
                now & !(self.who & !kept) | bits
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_chmod_does() {
        for (text, now, directory, then) in [
            ("644", 0o4755, false, 0o644),
            ("755", 0o2700, true, 0o2755),
            ("00755", 0o2700, true, 0o755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("+w", 0o444, false, 0o644),
            ("a+w", 0o444, false, 0o666),
            ("go-rwx", 0o755, false, 0o700),
            ("g=u", 0o740, false, 0o770),
            ("o=", 0o757, false, 0o750),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("a+X", 0o600, true, 0o711),
            ("u+s,g+s", 0o755, false, 0o6755),
            ("u-s", 0o6755, false, 0o2755),
            ("+t", 0o777, true, 0o1777),
            ("u=rw,go=r", 0o777, false, 0o644),
            ("a=r", 0o2777, true, 0o2444),
            ("u+x-w", 0o600, false, 0o500),
        ] {
            let change = ModeChange::parse(text).unwrap();
            assert_eq!(
                format!("{:o}", change.apply(now, directory)),
                format!("{then:o}"),
                "{text}"
            );
        }
        for wrong in ["", "8", "77777", "u", "u+q", "x+u", "u+x,", "+ug"] {
            assert!(ModeChange::parse(wrong).is_err(), "{wrong}");
        }
    }
}
