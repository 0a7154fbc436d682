use super::*;
use std::path::Path;

/// A recipe `main.toml` and further files, in a directory of their own.
fn recipe(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

fn builds_of(directory: &Path, words: &[&str]) -> Result<Vec<Build>, String> {
    let file = directory.join("main.toml").display().to_string();
    let words = ["build", &file].into_iter().chain(words.iter().copied());
    let matches = command()
        .try_get_matches_from(words)
        .map_err(|error| error.to_string())?;
    let environment = Environment {
        home: Some("/home/u".into()),
        ..Environment::default()
    };
    builds(&matches, &options(), &environment).map_err(|error| match error.hint() {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    })
}

fn one(text: &str) -> Result<Settings, String> {
    let directory = recipe(&[("main.toml", text)]);
    let mut builds = builds_of(directory.path(), &[])?;
    Ok(builds.remove(0).all.remove(0))
}

#[test]
fn every_option_is_a_key() {
    let mut command = Cli::command();
    command.build();
    let options = options();
    let schema = schema(&options);
    let mut seen = 0;
    for arg in command.get_arguments() {
        let name = arg.get_long().unwrap_or(arg.get_id().as_str());
        let left_out = ["help", "version"].contains(&name);
        assert_eq!(options.get(name).is_none(), left_out, "{name}");
        assert_eq!(schema["properties"].get(name).is_none(), left_out, "{name}");
        seen += 1;
    }
    assert!(seen > 80, "only {seen} options");
}

#[test]
fn the_published_schema_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recipe.schema.json");
    let text = serde_json::to_string_pretty(&schema(&options())).unwrap();
    let published = std::fs::read_to_string(path).unwrap();
    assert!(
        published == format!("{text}\n"),
        "docs/recipe.schema.json is not what `rootless-install build --schema` prints"
    );
}

#[test]
fn keys_are_options() {
    let settings = one(
        "target = \"t.tar\"\narch = [\"riscv64\", \"arm64\"]\ninclude = \"a,b\"\nscript-timeout = 90\nverbose = 1\n\
         merged-usr = true\nkeep-failed = true\nquiet = false\ncustomize-hook = [\"one\"]\nessential-hook = \"two\"\n\
         hostname = \"h\"\n[env]\nX = 1\nSOURCE_DATE_EPOCH = 7\n",
    )
    .unwrap();
    assert_eq!(settings.system.arch.name, "riscv64");
    assert_eq!(settings.system.foreign.len(), 1);
    assert_eq!(settings.include, ["a", "b"]);
    assert_eq!(
        settings.system.scripts.timeout,
        Some(std::time::Duration::from_secs(90))
    );
    assert_eq!(settings.system.scripts.source_date_epoch, Some(7));
    assert_eq!(settings.hooks.len(), 2);
    assert_eq!(settings.hook_context.variables.len(), 2);
    assert_eq!(settings.customization.hostname.as_deref(), Some("h"));
    assert!(settings.keep_failed);
}

#[test]
fn errors_name_the_place() {
    for (text, said) in [
        (
            "target = \"t\"\nhostnam = \"x\"\n",
            "main.toml:2:1: there is no key `hostnam`; did you mean `hostname`?",
        ),
        (
            "target = \"t\"\narch = [\"riscv64\",\n  \"vax\"]\n",
            "main.toml:3:3: invalid value 'vax'",
        ),
        (
            "target = \"t\"\nvariant = \"minbas\"\n",
            "main.toml:2:11: invalid value 'minbas'",
        ),
        (
            "target = \"t\"\nkeep-failed = 3\n",
            "main.toml:2:15: `keep-failed` wants true or false",
        ),
        (
            "target = \"t\"\nsuite = [\"a\"]\n",
            "main.toml:2:9: `suite` wants one value",
        ),
        ("target = \"t\"\nx = = 1\n", "main.toml:2:5: "),
        (
            "target = \"t\"\nkeyring = \"no.gpg\"\n",
            "main.toml:2:11: --keyring: cannot find",
        ),
        (
            "target = \"t\"\nhostname = \"a b\"\n",
            "main.toml:2:12: --hostname: `a b` is no name",
        ),
        (
            "target = \"t\"\n[[user]]\nnam = \"a\"\n",
            "main.toml:3:1: there is no key `nam`; did you mean `name`?",
        ),
        (
            "target = \"t\"\n[[user]]\nname = \"a\"\npassword-hash = \"x\"\n",
            "main.toml:4:17: password-hash: this is no hash",
        ),
        (
            "target = \"t\"\n[[user]]\nuid = 5\n",
            "main.toml:2:1: missing field `name`",
        ),
        (
            "target = \"t\"\n[[file]]\npath = \"/x/../y\"\ncontent = \"\"\n",
            "main.toml:3:8: path: /x/../y has a `..`",
        ),
        (
            "target = \"t\"\n[[file]]\npath = \"x\"\ncontent = \"\"\n",
            "main.toml:3:8: path: x is no absolute path",
        ),
        (
            "target = \"t\"\n[[file]]\npath = \"/x\"\nmode = 644\ncontent = \"\"\n",
            "main.toml:4:8: `mode` wants octal digits",
        ),
        (
            "target = \"t\"\n[[file]]\npath = \"/x\"\n",
            "main.toml:3:8: path: /x needs one of source",
        ),
        (
            "target = \"t\"\n[[file]]\npath = \"/x\"\nsource = \"nothing\"\n",
            "main.toml:4:10: source: cannot find",
        ),
        (
            "target = \"t\"\n[[network]]\ninterface = \"eth0\"\naddress = \"192.0.2.1\"\n",
            "main.toml:4:11: address: `192.0.2.1` lacks",
        ),
        ("suite = \"stable\"\n", "main.toml: it says nowhere what to make"),
        (
            "target = \"{vax}.tar\"\n",
            "main.toml:1:10: there is no `{vax}` here",
        ),
        (
            "target = \"t.tar\"\n[matrix]\narch = [\"riscv64\", \"arm64\"]\n",
            "main.toml:1:10: two results would be t.tar",
        ),
        (
            "target = \"t\"\n[matrix]\nsuit = [\"a\"]\n",
            "main.toml:3:1: there is no key `suit`; did you mean `suite`",
        ),
        (
            "target = \"t\"\n[for.arm46]\ninclude = \"x\"\n",
            "main.toml:2:6: `arm46` is no architecture",
        ),
        (
            "target = \"t\"\n[for.arm64]\narch = \"x\"\n",
            "main.toml:3:1: `arch` cannot depend",
        ),
        (
            "[[output]]\nsize = \"1G\"\n",
            "main.toml:1:1: this output has no `target`",
        ),
        (
            "[[output]]\ntarget = \"t\"\nsuite = \"a\"\n",
            "main.toml:3:1: there is no key `suite`",
        ),
        (
            "[[output]]\ntarget = \"a/\"\n[[output]]\ntarget = \"b/\"\n",
            "only one result can be a directory",
        ),
        (
            "target = \"t.tar\"\nmulti = true\narch = \"arm64\"\n",
            "main.toml:2:1: --multi makes a container image",
        ),
    ] {
        let error = one(text).map(|_| ()).unwrap_err();
        assert!(error.contains(said), "{text:?}: {error}\n  is not {said}");
    }
}

#[test]
fn recipes_include_others() {
    let directory = recipe(&[
        (
            "main.toml",
            "include = [\"sub/base.toml\", \"own\"]\nsuite = \"sid\"\ntarget = \"{suite}.tar\"\ncopy = \"f:/etc/f\"\n",
        ),
        ("f", "main"),
        (
            "sub/base.toml",
            "include = [\"../deep.toml\", \"base\"]\nsuite = \"trixie\"\narch = \"arm64\"\n[[file]]\npath = \"/etc/g\"\nsource = \"g\"\n\
             [for.sid]\ninclude = \"for-sid\"\n[for.trixie]\ninclude = \"for-trixie\"\n",
        ),
        ("sub/g", "sub"),
        ("deep.toml", "include = [\"deep\"]\narch = \"s390x\"\n"),
    ]);
    let settings = builds_of(directory.path(), &["--include=given"])
        .unwrap()
        .remove(0)
        .all
        .remove(0);
    assert_eq!(settings.include, ["deep", "base", "own", "for-sid", "given"]);
    assert_eq!(settings.system.arch.name, "arm64");
    assert!(settings.system.foreign.is_empty());
    assert_eq!(settings.archives.suite, "sid");
    assert_eq!(settings.target.to_string(), "sid.tar");
    let sources: Vec<String> = settings
        .customization
        .files
        .iter()
        .filter_map(|file| file.source.clone())
        .collect();
    let real = directory.path().canonicalize().unwrap();
    let expected = ["sub/g", "f"].map(|name| real.join(name).display().to_string());
    assert_eq!(sources, expected);
    assert_eq!(settings.hook_context.directory, real);

    let circle = recipe(&[
        ("main.toml", "include = [\"b.toml\"]\n"),
        ("b.toml", "\ninclude = \"main.toml\"\n"),
    ]);
    let error = builds_of(circle.path(), &[]).map(|_| ()).unwrap_err();
    assert!(
        error.contains("b.toml:2:11: ") && error.contains("in a circle"),
        "{error}"
    );
    let missing = recipe(&[("main.toml", "include = [\"b.toml\"]\n")]);
    let error = builds_of(missing.path(), &[]).map(|_| ()).unwrap_err();
    assert!(error.contains("main.toml:1:12: cannot read"), "{error}");
}

#[test]
fn a_matrix_has_its_products() {
    let directory = recipe(&[(
        "main.toml",
        "target = \"{suite}-{arch}.tar\"\nlock = \"{suite}-{arch}.lock\"\n[matrix]\narch = [\"riscv64\", \"arm64\"]\nsuite = [\"a\", \"b\"]\n\
         [for.arm64]\ninclude = \"only\"\n",
    )]);
    let all = builds_of(directory.path(), &[]).unwrap();
    let targets: Vec<String> = all.iter().map(|build| build.all[0].target.to_string()).collect();
    assert_eq!(
        targets,
        ["a-riscv64.tar", "b-riscv64.tar", "a-arm64.tar", "b-arm64.tar"]
    );
    let lock = all[3].all[0].lock.as_ref().map(|path| path.display().to_string());
    assert_eq!(lock.as_deref(), Some("b-arm64.lock"));
    assert_eq!(all[0].name, "riscv64 a");
    assert!(all[0].all[0].include.is_empty());
    assert_eq!(all[2].all[0].include, ["only"]);
    // What the command line says, it says of all.
    let all = builds_of(directory.path(), &["--arch", "s390x"]).unwrap();
    let targets: Vec<String> = all.iter().map(|build| build.all[0].target.to_string()).collect();
    assert_eq!(targets, ["a-s390x.tar", "b-s390x.tar"]);
    let error = builds_of(directory.path(), &["x.tar"]).map(|_| ()).unwrap_err();
    assert!(error.contains("two results would be x.tar"), "{error}");
}

#[test]
fn one_installation_has_several_results() {
    let settings = one(
        "fs-label = \"both\"\n[[output]]\ntarget = \"a.ext4\"\nsize = \"1G\"\n[[output]]\ntarget = \"b/\"\nfs-label = \"x\"\n\
         [[output]]\ntarget = \"c.ext2\"\n",
    );
    // A directory has no label.
    let settings = settings.unwrap();
    assert_eq!(settings.target.to_string(), "b/");
    let others: Vec<String> = settings
        .other_outputs
        .iter()
        .map(|other| other.target.to_string())
        .collect();
    assert_eq!(others, ["a.ext4", "c.ext2"]);
    assert_eq!(settings.other_outputs[0].image.size, Some(1 << 30));
    assert_eq!(settings.other_outputs[1].image.label.as_deref(), Some("both"));
}

#[test]
fn the_recipes_of_the_documentation_are_understood() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recipes");
    let mut seen = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "toml") || path.ends_with("common.toml") {
            continue;
        }
        let words = ["build".as_ref(), path.as_os_str()];
        let matches = command().try_get_matches_from(words).unwrap();
        let environment = Environment {
            home: Some("/home/u".into()),
            ..Environment::default()
        };
        let made = builds(&matches, &options(), &environment).unwrap_or_else(|error| panic!("{error}"));
        assert!(!made.is_empty());
        seen += 1;
    }
    assert!(seen >= 3, "{seen} recipes");
}

#[test]
fn many_levels_are_refused() {
    let deep = format!("target = \"t\"\nx = {}{}\n", "[".repeat(5000), "]".repeat(5000));
    assert!(one(&deep).is_err());
    let deep = format!("target = \"t\"\ninclude = {}{}\n", "[".repeat(40), "]".repeat(40));
    assert!(one(&deep).map(|_| ()).unwrap_err().contains("main.toml:2:"));
}

#[test]
fn architectures_may_be_described() {
    let text = "target = \"{variant}.tar\"\narch = \"recipeport\"\narch-triplet = \"recipeport-linux-gnu\"\narch-bits = 64\n\
                arch-endianness = \"little\"\narch-elf-machine = 4711\n[matrix]\nvariant = [\"minbase\", \"apt\"]\n";
    let directory = recipe(&[("main.toml", text)]);
    let builds = builds_of(directory.path(), &[]).unwrap();
    let names: Vec<_> = builds.iter().map(|build| build.all[0].system.arch.name).collect();
    assert_eq!(names, ["recipeport", "recipeport"]);
    let error = one(&text.replace("64", "63").replace("recipeport", "other"))
        .err()
        .unwrap();
    assert!(
        error.contains("main.toml:4:13: --arch-bits") && error.contains("32 or 64"),
        "{error}"
    );
    let table = "Architecture: tableport\nGNU-Triplet: tableport-linux-gnu\nBits: 32\nEndianness: big\nELF-Machine: 4712\n";
    let text = "target = \"t.tar\"\narch = \"tableport\"\narch-table = \"own/table\"\n";
    let directory = recipe(&[("main.toml", text), ("own/table", table)]);
    assert_eq!(
        builds_of(directory.path(), &[]).unwrap()[0].all[0]
            .system
            .arch
            .name,
        "tableport"
    );
}
