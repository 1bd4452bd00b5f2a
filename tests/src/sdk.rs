//! Services measured by OpenTelemetry's SDKs, in the languages that are at hand.
//!
//! Their packages go to `target/peers`, once; every program does the same measurements (see `peers/python/shop.py`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// An SDK whose packages are installed.
#[derive(Clone, Debug)]
pub struct Sdk {
    program: PathBuf,
    script: PathBuf,
}

impl Sdk {
    /// The Python SDK: `PROTOCOL ENDPOINT TEMPORALITY INSTANCE`.
    ///
    /// # Errors
    /// With the reason, when it cannot be had here.
    pub fn python() -> Result<Self, String> {
        static FOUND: OnceLock<Result<Sdk, String>> = OnceLock::new();
        FOUND.get_or_init(python).clone()
    }

    /// The Node SDK, which sends JSON: `ENDPOINT TEMPORALITY INSTANCE`.
    ///
    /// # Errors
    /// With the reason, when it cannot be had here.
    pub fn node() -> Result<Self, String> {
        static FOUND: OnceLock<Result<Sdk, String>> = OnceLock::new();
        FOUND.get_or_init(node).clone()
    }

    /// Runs the service to its end.
    ///
    /// # Panics
    /// When it cannot be run or fails; the message has its output.
    pub fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        command.arg(&self.script).args(arguments);
        let output = command.output().expect("the service runs");
        assert!(
            output.status.success(),
            "{command:?} failed:\n{}",
            text(&output)
        );
    }
}

fn python() -> Result<Sdk, String> {
    let source = source("python");
    let folder = python_environment("python")?;
    Ok(Sdk {
        program: folder.join("bin/python"),
        script: source.join("shop.py"),
    })
}

fn node() -> Result<Sdk, String> {
    let source = source("node");
    let folder = installed("node", &source.join("package-lock.json"), |folder| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), folder.join(file)).map_err(|error| error.to_string())?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        run(npm.current_dir(folder))
    })?;
    // Modules are looked for beside the script.
    let script = folder.join("shop.js");
    fs::copy(source.join("shop.js"), &script).map_err(|error| error.to_string())?;
    Ok(Sdk {
        program: PathBuf::from("node"),
        script,
    })
}

/// The Python clients of the query API, ready to run: `URL NEWEST`.
///
/// # Errors
/// With the reason, when they cannot be had here.
pub fn python_clients() -> Result<Command, String> {
    let source = source("python-clients");
    let folder = python_environment("python-clients")?;
    let mut command = Command::new(folder.join("bin/python"));
    command.arg(source.join("ask.py"));
    Ok(command)
}

/// An environment with the packages that the peer `name` requires.
fn python_environment(name: &str) -> Result<PathBuf, String> {
    let requirements = source(name).join("requirements.txt");
    installed(name, &requirements, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        run(pip.arg("--requirement").arg(&requirements))
    })
}

/// The folder in `target/peers` that `install` has filled for the packages that the file `list` names.
pub(crate) fn installed(
    name: &str,
    list: &Path,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let wanted = fs::read(list).map_err(|error| format!("{}: {error}", list.display()))?;
    let folder = target_folder().join("peers").join(name);
    let done = folder.join("installed");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    // What an interrupted installation has left is of no use.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    install(&folder)?;
    fs::write(&done, wanted).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Runs `command`; the error says what went wrong.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?} failed: {}", text(&output))),
        Err(error) => Err(format!(
            "{} cannot be run: {error}",
            command.get_program().display()
        )),
    }
}

/// The folder of the peer `name` in this repository.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(name)
}

fn target_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.ancestors().nth(3);
    target
        .expect("tests lie in target/<profile>/deps")
        .to_owned()
}

fn text(output: &Output) -> String {
    let all = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    String::from_utf8_lossy(&all).into_owned()
}
