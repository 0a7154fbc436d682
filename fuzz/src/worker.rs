//! One target in a process of its own.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::process::parent_id;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::mutate::{Random, mutate};
use crate::options::Work;
use crate::say;
use crate::targets::{Spec, Target};
use crate::totals::{self, Share};

/// Time of the processor that one input may take: one of these sizes takes microseconds to milliseconds.
const LONGEST: Duration = Duration::from_secs(20);
/// Time that may pass meanwhile, on a machine that has other things to do.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Most inputs kept for a target.
const KEPT: usize = 2000;

/// Returns the directory of a target's inputs.
pub(crate) fn directory(target: &Spec) -> PathBuf {
    PathBuf::from("target/fuzz").join(target.name)
}

/// Returns the name under which an input is kept.
pub(crate) fn name(input: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Returns the inputs in a directory; none where there is none.
pub(crate) fn inputs(directory: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// The lines of an outcome without what differs from input to input: numbers, what is quoted, and the rest of what is
/// long, where texts of the input stand.
fn features(outcome: &str) -> impl Iterator<Item = u64> {
    outcome.lines().map(|line| {
        let mut hasher = DefaultHasher::new();
        let mut quote = None;
        for c in line.chars().take(80) {
            match (quote, c) {
                (Some(open), c) if open == c => quote = None,
                (None, '\'' | '"' | '`') => quote = Some(c),
                (None, c) if c == '+' || c.is_ascii_alphabetic() => c.hash(&mut hasher),
                _ => {}
            }
        }
        hasher.finish()
    })
}

thread_local! {
    /// What a panic said while an input was being read; none at other times.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Reads an input and returns the outcome, or what the panic said.
pub(crate) fn read(target: &mut dyn Target, input: &[u8]) -> Result<String, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            SAID.with_borrow_mut(|said| match said {
                Some(said) => *said = panic.to_string(),
                None => usual(panic),
            });
        }));
    });
    SAID.set(Some("a panic of another thread".to_owned()));
    let outcome = catch_unwind(AssertUnwindSafe(|| target.read(input)));
    let said = SAID.take().unwrap_or_default();
    outcome.map_err(|_| said)
}

/// Reads inputs once, and says what came of them.
pub(crate) fn replay(target: &'static Spec, files: &[PathBuf]) -> Result<bool, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut fine = true;
    for path in files {
        let input = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut one = (target.open)(scratch.path());
        let outcome = read(&mut *one, &input);
        fine &= outcome.is_ok();
        say(&format!("{}: {outcome:?}", path.display()));
    }
    Ok(fine)
}

/// Returns the time that processors have worked for this process.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Ends the process if an input takes too long.
fn watch(count: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    let (mut seen, mut since, mut before) = (u64::MAX, Instant::now(), worked());
    while !done.load(Ordering::Relaxed) {
        let now = count.load(Ordering::Relaxed);
        if now != seen {
            (seen, since, before) = (now, Instant::now(), worked());
        } else if worked().saturating_sub(before) > LONGEST || since.elapsed() > LONGEST_WAIT {
            say("an input takes too long");
            std::process::abort();
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// Reads mutated inputs until the time is over. What was done is in the file `share` of the scratch directory, every
/// second.
pub(crate) fn run(work: &Work) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let home = directory(work.target);
    let (corpus, findings) = (home.join("corpus"), home.join("findings"));
    for directory in [&corpus, &findings, &work.scratch] {
        fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    }
    let current = work.scratch.join("current");
    let files = work.scratch.join("files");
    fs::create_dir_all(&files).map_err(|error| failed(&files, error))?;
    let mut target = (work.target.open)(&files);
    let mut pool = (work.target.seeds)();
    pool.extend(inputs(&corpus));
    let mut pending = pool.clone();
    pending.extend(inputs(&Path::new("fuzz/seeds").join(work.target.name)));
    pool.clone_from(&pending);
    let time = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let mut random = Random::new(u64::try_from(time & u128::from(u64::MAX)).unwrap_or(0));
    let (count, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watcher = {
        let (count, done) = (Arc::clone(&count), Arc::clone(&done));
        thread::spawn(move || watch(count, done))
    };
    let mut seen: HashSet<u64> = HashSet::new();
    let mut panics: HashSet<u64> = HashSet::new();
    let end = Instant::now() + work.time;
    let (mut next_note, parent) = (Instant::now(), parent_id());
    let share = |executions| Share {
        seconds: worked().as_secs(),
        executions,
    };
    while Instant::now() < end {
        let (input, given) = match pending.pop() {
            Some(input) => (input, true),
            None => {
                let base = pool.get(random.below(pool.len())).cloned().unwrap_or_default();
                let other = pool
                    .get(random.below(pool.len()))
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let mut input = mutate(&base, other, &mut random);
                if random.below(8) != 0 {
                    (work.target.mend)(&mut input);
                }
                (input, false)
            }
        };
        fs::write(&current, &input).map_err(|error| failed(&current, error))?;
        match read(&mut *target, &input) {
            Ok(outcome) => {
                let new = features(&outcome).filter(|feature| seen.insert(*feature)).count();
                if new > 0 && !given && pool.len() < KEPT {
                    let path = corpus.join(name(&input));
                    fs::write(&path, &input).map_err(|error| failed(&path, error))?;
                    pool.push(input);
                }
            }
            Err(said) => {
                // The first line is the place.
                if features(&said).take(1).any(|feature| panics.insert(feature)) {
                    let path = findings.join(name(&input));
                    say(&format!("{}: {said}", path.display()));
                    fs::write(&path, &input).map_err(|error| failed(&path, error))?;
                }
                target = (work.target.open)(&files);
            }
        }
        let number = count.fetch_add(1, Ordering::Relaxed) + 1;
        if Instant::now() >= next_note {
            next_note = Instant::now() + Duration::from_secs(1);
            if parent_id() != parent {
                // Somebody has stopped the run: nobody else notes what was done, or clears up.
                let _ = fs::remove_dir_all(&work.scratch);
                return totals::add(work.target.name, share(number));
            }
            share(number).save(&work.scratch)?;
        }
    }
    done.store(true, Ordering::Relaxed);
    let _ = watcher.join();
    share(count.load(Ordering::Relaxed)).save(&work.scratch)
}
