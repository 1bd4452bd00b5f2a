//! Builds the page that the server answers at `/`, with npm and esbuild, and lists its files for `src/page.rs`.
//!
//! Without npm, or when anything goes wrong, the build goes on with one warning and without the page. The environment
//! variable `WEB_UI` changes that: with `require` the build fails instead, with `off` nothing is tried.
//!
//! Packages and sources are laid out in `ui` of the target directory, shared by all profiles: packages are installed
//! once for each `package-lock.json`, and building again needs no network.

#![allow(
    clippy::print_stdout,
    reason = "cargo reads what a build script prints"
)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, io};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What the page is made of, below `ui` of this crate.
const SOURCES: [&str; 4] = ["package.json", "package-lock.json", "index.html", "src"];

fn main() -> ExitCode {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let wish = Wish::read();
    let (files, failure) = match wish {
        Wish::Off => (Vec::new(), None),
        Wish::IfPossible | Wish::Require => match build(&out) {
            Ok(files) => (files, None),
            Err(reason) => (Vec::new(), Some(reason)),
        },
    };
    if let Some(reason) = failure {
        if wish == Wish::Require {
            println!("cargo::error=the web page cannot be built: {reason}");
            return ExitCode::FAILURE;
        }
        println!(
            "cargo::warning=built without the web page: {reason}; with Node.js 20 or newer and npm at hand, \
             build again with WEB_UI=require"
        );
    }
    fs::write(out.join("page_files.rs"), list(&files)).expect("OUT_DIR can be written");
    ExitCode::SUCCESS
}

/// Whether the page is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Off,
    IfPossible,
    Require,
}

impl Wish {
    fn read() -> Self {
        if env::var_os("CARGO_FEATURE_UI").is_none() {
            return Self::Off;
        }
        println!("cargo::rerun-if-env-changed=WEB_UI");
        for source in SOURCES {
            println!("cargo::rerun-if-changed=ui/{source}");
        }
        match env::var("WEB_UI").as_deref() {
            Ok("off") => Self::Off,
            Ok("require") => Self::Require,
            _ => Self::IfPossible,
        }
    }
}

/// A file of the page, compressed.
struct PageFile {
    name: String,
    content_type: &'static str,
    tag: String,
    path: PathBuf,
}

/// Builds the page; its compressed files lie in `out`.
fn build(out: &Path) -> Result<Vec<PageFile>, String> {
    forget_older(out).map_err(|error| error.to_string())?;
    let workshop = target_directory(out).join("ui");
    make_directory(&workshop)?;
    // Builds of other profiles, which cargo runs side by side, wait here.
    let lock = File::create(workshop.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    lay_out(&workshop).map_err(|error| format!("its sources cannot be copied: {error}"))?;
    install(&workshop)?;
    let bundle = bundle(&workshop)?;
    collect(&workshop, &bundle, out).map_err(|error| format!("its files cannot be stored: {error}"))
}

/// Removes files of older builds, whose names had other hashes.
fn forget_older(out: &Path) -> io::Result<()> {
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "gz") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The target directory: cargo marks it, whatever its name and however deep `out` lies in it.
fn target_directory(out: &Path) -> PathBuf {
    let marked = out
        .ancestors()
        .find(|path| path.join("CACHEDIR.TAG").exists());
    marked.unwrap_or(out).to_owned()
}

fn make_directory(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Copies the sources to where the packages are installed.
fn lay_out(workshop: &Path) -> io::Result<()> {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let sources = workshop.join("src");
    if sources.exists() {
        fs::remove_dir_all(&sources)?;
    }
    for source in SOURCES {
        copy(&ui.join(source), &workshop.join(source))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Installs the packages, unless they are those of the lock file already.
fn install(workshop: &Path) -> Result<(), String> {
    let stamp = workshop.join("installed");
    let wanted = fs::read(workshop.join("package-lock.json")).map_err(|error| error.to_string())?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(npm);
    // No package needs its scripts, and a network that is down should be found so soon.
    command.args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--fetch-retries=1",
        "--fetch-timeout=60000",
    ]);
    run(command.current_dir(workshop), "npm ci")?;
    fs::write(&stamp, wanted).map_err(|error| error.to_string())
}

/// Runs esbuild; the answer is the directory of what it made.
fn bundle(workshop: &Path) -> Result<PathBuf, String> {
    let bundle = workshop.join("bundle");
    if bundle.exists() {
        fs::remove_dir_all(&bundle).map_err(|error| error.to_string())?;
    }
    let mut command = Command::new("node");
    command.args([
        "node_modules/esbuild/bin/esbuild",
        "src/main.tsx",
        "--bundle",
        "--minify",
        "--format=esm",
        "--target=es2022",
        "--charset=utf8",
        "--legal-comments=none",
        "--jsx=automatic",
        "--jsx-import-source=preact",
        "--entry-names=[name]-[hash]",
        "--log-level=warning",
        "--outdir=bundle",
    ]);
    run(command.current_dir(workshop), "esbuild")?;
    Ok(bundle)
}

/// Runs a command whose output matters only when it fails: then its first line that is no mere warning is the reason.
fn run(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{} was not found", command.get_program().to_string_lossy())
            }
            _ => format!("{name}: {error}"),
        })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("npm warn"));
    Err(format!(
        "{name} failed: {}",
        line.unwrap_or("no reason given")
    ))
}

/// Compresses what was bundled, and the page that loads it.
fn collect(workshop: &Path, bundle: &Path, out: &Path) -> io::Result<Vec<PageFile>> {
    let mut index = fs::read_to_string(workshop.join("index.html"))?;
    let mut files = Vec::new();
    let mut paths = fs::read_dir(bundle)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (mark, content_type) = match path.extension().and_then(OsStr::to_str) {
            Some("js") => ("main.js", "text/javascript; charset=utf-8"),
            Some("css") => ("main.css", "text/css; charset=utf-8"),
            _ => return Err(io::Error::other(format!("{name} is of no known type"))),
        };
        index = index.replace(&format!("assets/{mark}"), &format!("assets/{name}"));
        files.push(compress(&name, content_type, &fs::read(&path)?, out)?);
    }
    files.push(compress(
        "index.html",
        "text/html; charset=utf-8",
        index.as_bytes(),
        out,
    )?);
    Ok(files)
}

fn compress(
    name: &str,
    content_type: &'static str,
    bytes: &[u8],
    out: &Path,
) -> io::Result<PageFile> {
    let path = out.join(format!("{name}.gz"));
    let mut encoder = GzEncoder::new(File::create(&path)?, Compression::best());
    encoder.write_all(bytes)?;
    encoder.finish()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Ok(PageFile {
        name: name.to_owned(),
        content_type,
        tag: format!("{:016x}", hasher.finish()),
        path,
    })
}

/// The files as a Rust expression.
fn list(files: &[PageFile]) -> String {
    let mut text = String::from("&[\n");
    for file in files {
        let PageFile {
            name,
            content_type,
            tag,
            path,
        } = file;
        // An etag is quoted in its header.
        writeln!(
            text,
            "PageFile {{ name: {name:?}, content_type: {content_type:?}, etag: \"\\\"{tag}\\\"\", gzip: \
             include_bytes!({path:?}) }},"
        )
        .expect("writing to a string succeeds");
    }
    text.push(']');
    text
}
