use super::*;

fn converted(text: &str) -> Result<Converted, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.yaml");
    std::fs::write(&path, text).unwrap();
    convert(&path).map_err(|error| error.to_string())
}

#[test]
fn every_key_has_its_place() {
    let recipe = converted(
        "---\nname: live\nenv:\n  X: 1\nmmdebstrap:\n  suite: bookworm\n  target: root.squashfs\n  variant: minbase\n  mode: unshare\n  \
         format: squashfs\n  hostname: h\n  install-recommends: true\n  architectures: [amd64, i386]\n  components:\n    - main\n  packages:\n    \
         - a\n    -\n    - b\n  mirrors: [m]\n  keyrings: [k]\n  aptopts: [o]\n  dpkgopts: [d]\n  setup-hooks: [s]\n  \
         essential-hooks: [e]\n  customize-hooks:\n    - $BDEBSTRAP_HOOKS/enable-units \"$1\" ssh cron\n    - cp x \"$1${BDEBSTRAP_OUTPUT_DIR?}/\"\n  \
         cleanup-hooks: [c]\n",
    )
    .unwrap();
    assert!(recipe.warnings.is_empty(), "{:?}", recipe.warnings);
    for line in [
        "suite = \"bookworm\"",
        "target = \"live/root.squashfs\"",
        "variant = \"minbase\"",
        "mode = \"unshare\"",
        "format = \"squashfs\"",
        "hostname = \"h\"",
        "arch = [\"amd64\", \"i386\"]",
        "components = [\"main\"]",
        "include = [\"a\", \"b\"]",
        "mirror = [\"m\"]",
        "keyring = [\"k\"]",
        "aptopt = [\"o\", \"Apt::Install-Recommends \\\"true\\\"\"]",
        "dpkgopt = [\"d\"]",
        "setup-hook = [\"s\"]",
        "enable = [\"ssh\", \"cron\"]",
        "X = \"1\"",
        "BDEBSTRAP_OUTPUT_DIR = \"/tmp/bdebstrap-output\"",
    ] {
        let written = recipe.text.replace(
            "'Apt::Install-Recommends \"true\"'",
            "\"Apt::Install-Recommends \\\"true\\\"\"",
        );
        assert!(
            written.lines().any(|known| known == line),
            "{line}\n{}",
            recipe.text
        );
    }
    assert!(recipe.text.contains("sync-out /tmp/bdebstrap-output live"));
    let hooks = converted("mmdebstrap:\n  cleanup-hooks: [last]\n  customize-hooks: [first]\n").unwrap();
    assert!(
        hooks.text.contains("customize-hook = [\"first\", \"last\"]"),
        "{}",
        hooks.text
    );
}

#[test]
fn what_is_unknown_is_named_with_its_line() {
    let recipe = converted("mmdebstrap:\n  suite: sid\n  variannt: apt\nnme: x\n").unwrap();
    let [first, second] = recipe.warnings.as_slice() else {
        panic!("{:?}", recipe.warnings);
    };
    assert!(
        first.contains("c.yaml:3: ") && first.contains("`variant`"),
        "{first}"
    );
    assert!(
        second.contains("c.yaml:4: ") && second.contains("`name`"),
        "{second}"
    );
    assert!(recipe.text.starts_with("# "));
}

#[test]
fn bad_files_are_refused() {
    let bomb: String = (0..40)
        .map(|at| match at {
            0 => "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(),
            at => format!(
                "a{at}: &a{at} [{}]\n",
                vec![format!("*a{}", at - 1); 10].join(", ")
            ),
        })
        .collect();
    for (text, said) in [
        ("- a\n", "c.yaml:1: a configuration of bdebstrap is a mapping"),
        (
            "mmdebstrap:\n  packages: a\n",
            "c.yaml:2: `packages` is to be a list",
        ),
        ("mmdebstrap:\n  suite: [a]\n", "c.yaml:2: `suite` is to be text"),
        (
            "mmdebstrap:\n  install-recommends: 3\n",
            "c.yaml:2: `install-recommends` is to be true or false",
        ),
        ("mmdebstrap: {a: [\n", "c.yaml:"),
        ("", "is a mapping"),
        (&bomb, "more than 100000 values"),
        (&"[".repeat(10_000), "c.yaml:1: "),
    ] {
        let error = converted(text).map(|_| ()).unwrap_err();
        assert!(error.contains(said), "{text:.60}: {error}");
    }
}
