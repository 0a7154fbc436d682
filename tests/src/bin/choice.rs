//! Compares this program's choice of packages with that of the suite's own apt, on seeded requests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rootless_install_tests::choice::apt::{Apt, Root};
use rootless_install_tests::choice::own::Own;
use rootless_install_tests::choice::record::{Answers, question};
use rootless_install_tests::choice::requests::{Archive, CLASSES, Class, of};
use rootless_install_tests::choice::setting::{self, SETTINGS, Setting};
use rootless_install_tests::choice::small::{self, ARCHIVES, Small};
use rootless_install_tests::choice::table::{self, Count, Times};
use rootless_install_tests::choice::{Answer, Request};
use rootless_install_tests::error::At as _;
use rootless_install_tests::program::workspace;
use rootless_install_tests::real::Real;
use rootless_install_tests::{Error, Result};

const USAGE: &str = "\
usage: choice [OPTION]…

Asks the suite's own apt and this program for the same packages, class by class, and prints what differs.
What apt has answered is kept in target/choice; a run may be stopped and begun again.

  --class WORD     classes whose name has this word; may be given more than once
  --solver NAME    internal or 3.0 [internal]
  --apt SUITE      the suite whose apt is asked [trixie]
  --requests FILE  asks for these: a line each, with the name of a setting (tests/src/choice/setting.rs) and the items
  --count N        at most so many requests of a class
  --archives N     at most so many small archives
  --apt-only       asks apt, and compares nothing
  --times          measures whole runs of both, by size of the request
  --table          writes the table into docs/choice.md
";

#[derive(Default)]
struct Options {
    classes: Vec<String>,
    solver: String,
    suite: String,
    requests: Option<PathBuf>,
    count: usize,
    archives: usize,
    apt_only: bool,
    times: bool,
    table: bool,
}

/// Sizes of requests whose time is measured.
const SIZES: [usize; 7] = [1, 5, 20, 50, 100, 200, 400];

fn main() -> ExitCode {
    let options = match options() {
        Ok(Some(options)) => options,
        Ok(None) => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Err(what) => {
            let _ = writeln!(std::io::stderr(), "error: {what}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(different) => ExitCode::from(u8::from(different > 0)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

fn options() -> std::result::Result<Option<Options>, String> {
    let mut options = Options {
        solver: "internal".to_owned(),
        suite: "trixie".to_owned(),
        count: usize::MAX,
        archives: ARCHIVES,
        ..Options::default()
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--class" => options.classes.push(value()?),
            "--solver" => options.solver = value()?,
            "--apt" => options.suite = value()?,
            "--requests" => options.requests = Some(value()?.into()),
            "--count" => options.count = value()?.parse().map_err(|_| format!("{name} wants a number"))?,
            "--archives" => {
                options.archives = value()?.parse().map_err(|_| format!("{name} wants a number"))?;
            }
            "--apt-only" => options.apt_only = true,
            "--times" => options.times = true,
            "--table" => options.table = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{name} is no option")),
        }
    }
    if !["internal", "3.0"].contains(&options.solver.as_str()) {
        return Err(format!("there is no solver {}", options.solver));
    }
    Ok(Some(options))
}

/// Both sides, and what was answered.
struct Comparison<'a> {
    real: &'a Real,
    apt: Apt,
    own: Own<'a>,
    answers: Answers,
    kept: PathBuf,
    /// The setting of the last request of a file: its root, state and what is installed.
    last: Option<(&'static Setting, Root, String, BTreeSet<String>)>,
}

fn run(options: &Options) -> Result<usize> {
    let real = Real::new()?;
    let kept = workspace().join("target/choice");
    let mut comparison = Comparison {
        apt: Apt::unpack(&real.work, &real.mirror.url(), &options.suite)?,
        own: Own {
            work: &real.work,
            mirror: real.mirror.url(),
            options: "check-valid-until=no",
        },
        answers: Answers::open(&kept.join("answers"))?,
        real: &real,
        kept,
        last: None,
    };
    say(&format!(
        "apt {}, solver {}\n",
        comparison.apt.version, options.solver
    ));
    let mut tables = BTreeMap::new();
    if options.times {
        let table = table::times(&comparison.times()?);
        say(&table);
        tables.insert("times".to_owned(), table);
    }
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    if let Some(file) = &options.requests {
        for request in given(file)? {
            comparison.given(&request, options, &mut counts)?;
        }
        let Count {
            same,
            refused,
            different,
        } = counts.get(GIVEN).copied().unwrap_or_default();
        say(&format!(
            "the same packages: {same}, both refuse: {refused}, differ: {different}\n"
        ));
        return Ok(different);
    }
    let chosen = |class: &&Class| {
        let named = options
            .classes
            .iter()
            .any(|word| class.name.contains(word.as_str()));
        named || (options.classes.is_empty() && !options.times)
    };
    for setting in SETTINGS {
        let classes: Vec<&Class> = CLASSES
            .iter()
            .filter(chosen)
            .filter(|class| class.setting == setting.name)
            .collect();
        if !classes.is_empty() {
            comparison.setting(setting, &classes, options, &mut counts)?;
        }
    }
    let named = options
        .classes
        .iter()
        .any(|word| small::CLASS.contains(word.as_str()));
    if named || (options.classes.is_empty() && !options.times) {
        comparison.small(options, &mut counts)?;
    }
    let made = table::agreement(&|name| counts.get(name).copied().unwrap_or_default());
    if !counts.is_empty() {
        say(&made);
        tables.insert(format!("agreement-{}", options.solver), made);
    }
    if options.table {
        let path = workspace().join("docs/choice.md");
        let mut document = std::fs::read_to_string(&path).at(&path)?;
        for (name, table) in &tables {
            document = table::put(&document, name, table).map_err(Error::Machine)?;
        }
        std::fs::write(&path, document).at(&path)?;
    }
    Ok(counts.values().map(|count| count.different).sum())
}

/// Class of requests from a file.
const GIVEN: &str = "given";

/// Reads the requests of a file, those of a setting after each other.
fn given(file: &Path) -> Result<Vec<Request>> {
    let text = std::fs::read_to_string(file).at(file)?;
    let mut requests = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let setting = setting::of(name)
            .ok_or_else(|| Error::Machine(format!("{}: there is no setting {name}", file.display())))?;
        requests.push(Request {
            class: GIVEN,
            setting: setting.name,
            items: words.map(str::to_owned).collect(),
        });
    }
    requests.sort_by_key(|request| request.setting);
    Ok(requests)
}

impl Comparison<'_> {
    /// Makes the root of a setting; returns it with its state.
    fn root(&self, setting: &Setting) -> Result<(Root, String)> {
        let mut state = String::new();
        for suite in setting.suites {
            let path = format!("/debian/dists/{suite}/InRelease");
            let file = self.real.mirror.file(&path);
            let file = file.ok_or_else(|| Error::Machine(format!("the archive has no suite {suite}")))?;
            let text = std::fs::read_to_string(&file).at(&file)?;
            let date = text.lines().find_map(|line| line.strip_prefix("Date: "));
            state += &format!("{suite}:{};", date.unwrap_or_default().replace(' ', "_"));
        }
        let root = Root::make(&self.kept.join(setting.name), setting, &self.own.mirror, &state)?;
        Ok((root, state))
    }

    /// One request of the user's.
    fn given(
        &mut self,
        request: &Request,
        options: &Options,
        counts: &mut BTreeMap<&'static str, Count>,
    ) -> Result<()> {
        if self
            .last
            .as_ref()
            .is_none_or(|last| last.0.name != request.setting)
        {
            let setting =
                setting::of(request.setting).ok_or_else(|| Error::Machine("no setting".to_owned()))?;
            let (root, state) = self.root(setting)?;
            let installed = self.own.installed(setting)?;
            root.install(&root.packages()?, &installed)?;
            self.last = Some((setting, root, state, installed));
        }
        let Some((setting, root, state, installed)) = self.last.take() else {
            return Ok(());
        };
        let own = Own {
            mirror: self.own.mirror.clone(),
            ..self.own
        };
        let done = self.compare(
            (setting, &root, &state),
            &own,
            request,
            options,
            counts,
            &installed,
        );
        self.last = Some((setting, root, state, installed));
        done
    }

    fn setting(
        &mut self,
        setting: &Setting,
        classes: &[&Class],
        options: &Options,
        counts: &mut BTreeMap<&'static str, Count>,
    ) -> Result<()> {
        let (root, state) = self.root(setting)?;
        let packages = root.packages()?;
        let archive = Archive::new(&packages, setting.archs.first().copied().unwrap_or_default());
        let installed = self.own.installed(setting)?;
        root.install(&packages, &installed)?;
        let own = Own {
            mirror: self.own.mirror.clone(),
            ..self.own
        };
        for class in classes {
            for request in of(class, &archive).iter().take(options.count) {
                let asked = (setting, &root, state.as_str());
                self.compare(asked, &own, request, options, counts, &installed)?;
            }
        }
        Ok(())
    }

    /// The archives that are made for this.
    fn small(&mut self, options: &Options, counts: &mut BTreeMap<&'static str, Count>) -> Result<()> {
        for number in 0..options.archives.min(ARCHIVES).min(options.count) {
            let small = Small::new(number);
            let dir = self.real.work.make_dir(&format!("small-{number}"))?;
            let root = Root::small(&dir, &small)?;
            let own = Own {
                work: &self.real.work,
                mirror: format!("file:{}", dir.join("archive").display()),
                options: "trusted=yes",
            };
            let state = format!("small-{number}");
            for request in &small.requests {
                let asked = (&small.setting, &root, state.as_str());
                self.compare(asked, &own, request, options, counts, &BTreeSet::new())?;
            }
            let _ = std::fs::remove_dir_all(&dir);
        }
        Ok(())
    }

    /// Asks both, and counts.
    fn compare(
        &mut self,
        (setting, root, state): (&Setting, &Root, &str),
        own: &Own<'_>,
        request: &Request,
        options: &Options,
        counts: &mut BTreeMap<&'static str, Count>,
        installed: &BTreeSet<String>,
    ) -> Result<()> {
        let items = setting.items(&request.items);
        let question = question(
            &format!("apt-{}-{}", self.apt.version, options.solver),
            state,
            setting,
            &items,
        );
        let theirs = match self.answers.of(&question) {
            Some(known) => known.clone(),
            None => {
                let answer = self.apt.ask(root, &options.solver, &items)?;
                self.answers.add(question, answer.clone())?;
                answer
            }
        };
        if options.apt_only {
            return Ok(());
        }
        let theirs = theirs.with_yes();
        let (mut answer, _) = own.ask(setting, &options.solver, &request.items)?;
        if let Some(chosen) = &mut answer.chosen {
            chosen.retain(|package| !installed.contains(package));
        }
        let count = counts.entry(request.class).or_default();
        match (answer.agrees(&theirs), &answer.chosen) {
            (true, Some(_)) => count.same += 1,
            (true, None) => count.refused += 1,
            (false, _) => {
                count.different += 1;
                tell(request, &answer, &theirs);
            }
        }
        Ok(())
    }

    fn times(&self) -> Result<Vec<Times>> {
        let setting = setting::of("amd64").ok_or_else(|| Error::Machine("no setting".to_owned()))?;
        let (root, _) = self.root(setting)?;
        let packages = root.packages()?;
        let installed = self.own.installed(setting)?;
        root.install(&packages, &installed)?;
        // Packages of documentation need little and exclude nothing, so the size is what was asked for.
        let names: Vec<&str> = packages
            .iter()
            .filter(|package| package.field("Section") == "doc" && package.field("Conflicts").is_empty())
            .map(|package| package.name())
            .collect();
        let mut all = Vec::new();
        for size in SIZES {
            let step = names.len() / size;
            let items = names.iter().step_by(step.max(1)).take(size);
            let items: Vec<String> = items.map(|name| (*name).to_owned()).collect();
            // The first run fills caches on both sides.
            let (mut own, mut apt, mut count) = (Vec::new(), Vec::new(), 0);
            for round in 0..4 {
                let (answer, time) = self.own.ask(setting, "internal", &items)?;
                let theirs = self.apt.time(&root, &setting.items(&items))?;
                count = answer.chosen.map_or(0, |chosen| chosen.len() - installed.len());
                if round > 0 {
                    own.push(time);
                    apt.push(theirs);
                }
            }
            own.sort();
            apt.sort();
            if let (Some(own), Some(apt)) = (own.get(1), apt.get(1)) {
                all.push(Times {
                    packages: count,
                    own: *own,
                    apt: *apt,
                });
            }
        }
        Ok(all)
    }
}

fn tell(request: &Request, own: &Answer, theirs: &Answer) {
    say(&format!(
        "{} [{}]: {}\n",
        request.class,
        request.setting,
        request.items.join(" ")
    ));
    match (&own.chosen, &theirs.chosen) {
        (Some(own), Some(apt)) => {
            let list = |all: Vec<&String>| all.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(" ");
            say(&format!("  apt alone: {}\n", list(apt.difference(own).collect())));
            say(&format!("  own alone: {}\n", list(own.difference(apt).collect())));
            if !theirs.besides.is_empty() {
                say(&format!("  apt besides: {}\n", theirs.besides));
            }
        }
        (Some(own), None) => say(&format!(
            "  {} packages; apt refuses: {}\n",
            own.len(),
            theirs.besides
        )),
        (None, Some(apt)) => {
            say(&format!(
                "  refused: {}; apt takes {}: {}\n",
                own.besides,
                apt.len(),
                theirs.besides
            ));
        }
        (None, None) => {}
    }
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
