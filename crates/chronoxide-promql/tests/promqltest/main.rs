//! Runs PromQL scripts (`load`, `eval` and what is expected) against the engine and prints a table per file.
//!
//! The scripts of Prometheus itself are not part of this repository: they are looked for in `PROMQLTEST_DIR`, then
//! beside the repository in `../shared/conformance/promqltest`. Our own, in `tests/scripts`, always run and must pass
//! as a whole. A file that passes fewer evals than its floor in `tests/promqltest_floors.txt` fails the run.
//! `PROMQLTEST_VERBOSE=<file>` prints each failure of that file, `PROMQLTEST_VERBOSE=all` those of every file.

#![expect(
    clippy::print_stdout,
    reason = "the table is what this program is for, and it stands without a test harness"
)]

mod classic;
mod judge;
mod literal;
mod memory;
mod notation;
mod reduce;
mod run;
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use run::{Outcome, run_script};

fn main() -> ExitCode {
    // `cargo test -- --list` and the like ask every test program; this one has a single test.
    if std::env::args().any(|argument| argument == "--list") {
        println!("promqltest: test");
        return ExitCode::SUCCESS;
    }
    // A panic inside the engine fails one eval and is printed with it.
    std::panic::set_hook(Box::new(|_| {}));
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("promqltest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    println!("own scripts");
    let mut fine = run_files(&tests.join("scripts"), None)?;
    fine &= run_wrong(&tests.join("scripts/wrong/expectations.test"))?;
    match scripts_of_prometheus() {
        Some(directory) => {
            let floors = read_floors(&tests.join("promqltest_floors.txt"))?;
            println!("scripts of Prometheus");
            fine &= run_files(&directory, Some(&floors))?;
        }
        None => {
            println!(
                "scripts of Prometheus: not run, for neither PROMQLTEST_DIR nor ../shared/conformance/promqltest"
            );
            println!("beside the repository holds them");
        }
    }
    Ok(fine)
}

fn scripts_of_prometheus() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("PROMQLTEST_DIR") {
        return Some(PathBuf::from(directory));
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let beside = repository.parent()?.join("shared/conformance/promqltest");
    beside.is_dir().then_some(beside)
}

/// Passed evals a file must reach, by file.
type Floors = BTreeMap<String, usize>;

fn read_floors(path: &Path) -> Result<Floors, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
    let mut floors = Floors::new();
    for line in text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (file, floor) = line
            .split_once(' ')
            .ok_or_else(|| format!("{shown}: no floor in {line:?}"))?;
        let floor = floor
            .trim()
            .parse()
            .map_err(|error| format!("{shown}: {line:?}: {error}"))?;
        floors.insert(file.to_owned(), floor);
    }
    Ok(floors)
}

/// Runs all scripts of a directory; without floors all evals must pass.
fn run_files(directory: &Path, floors: Option<&Floors>) -> Result<bool, String> {
    let shown = directory.display();
    let entries = std::fs::read_dir(directory).map_err(|error| format!("{shown}: {error}"))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{shown}: {error}"))?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "test")
    });
    files.sort();
    let (mut passed, mut total, mut fine) = (0, 0, true);
    let mut names = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let outcome = match run_script(&text) {
            Ok(outcome) => outcome,
            Err(error) => {
                println!("  {name}: cannot be run: {error}");
                fine = false;
                names.push(name);
                continue;
            }
        };
        let floor = match floors {
            None => outcome.total,
            Some(floors) => floors.get(&name).copied().unwrap_or(0),
        };
        fine &= report(&name, &outcome, floor);
        passed += outcome.total - outcome.failures.len();
        total += outcome.total;
        names.push(name);
    }
    println!("  {:<28} {passed:>5} / {total:<5}", "all");
    for missing in floors
        .into_iter()
        .flatten()
        .filter(|(file, _)| !names.contains(file))
    {
        println!("  {}: has a floor but is not there", missing.0);
        fine = false;
    }
    Ok(fine)
}

/// Runs a script whose expectations are all wrong: an eval that passes shows a judge that lets too much through.
fn run_wrong(file: &Path) -> Result<bool, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let outcome = run_script(&text)?;
    let refused = outcome.failures.len();
    println!(
        "  {:<28} {refused:>5} / {:<5} refused",
        "wrong expectations", outcome.total
    );
    Ok(refused == outcome.total && refused > 0)
}

/// Prints the row of a file; `false` when it is below its floor.
fn report(name: &str, outcome: &Outcome, floor: usize) -> bool {
    let passed = outcome.total - outcome.failures.len();
    let note = if passed < floor {
        format!("BELOW ITS FLOOR OF {floor}")
    } else if passed > floor {
        format!("floor {floor} can be raised")
    } else {
        String::new()
    };
    println!("  {name:<28} {passed:>5} / {:<5} {note}", outcome.total);
    let verbose = std::env::var("PROMQLTEST_VERBOSE").unwrap_or_default();
    if verbose == "all" || verbose == name || verbose == name.trim_end_matches(".test") {
        for failure in &outcome.failures {
            println!(
                "    {name}:{}: {}\n      {}",
                failure.line, failure.query, failure.why
            );
        }
    }
    passed >= floor
}
