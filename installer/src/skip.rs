//! Steps that are left out (`--skip`).

/// Steps of an installation that are left out, by mmdebstrap's names for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skip(pub Vec<String>);

impl Skip {
    /// Whether a step is left out, by its own name.
    pub fn has(&self, step: &str) -> bool {
        self.0.iter().any(|skipped| skipped == step)
    }

    /// Whether a step is left out, by its own name or that of one it is part of: `cleanup` for `cleanup/apt/lists`.
    pub fn covers(&self, step: &str) -> bool {
        let part_of = |skipped: &String| {
            step.strip_prefix(skipped.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().any(part_of)
    }
}
