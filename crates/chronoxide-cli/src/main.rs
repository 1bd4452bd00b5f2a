//! The `chronoxide` command: parses arguments, installs logging, calls one function.

mod args;
mod commands;
mod logging;

use std::io::Write as _;
use std::process::ExitCode;

use args::{Arguments, Task};

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os(), std::env::vars_os()) {
        Ok(arguments) => arguments,
        Err(args::Error::Usage(error)) => {
            // Help and version are such errors too; they go to standard output with code 0.
            let code = error.exit_code();
            return if error.print().is_ok() && code == 0 {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(2)
            };
        }
        Err(error) => return fail(&error.to_string(), 2),
    };
    let done = match arguments.task {
        Task::Serve(config) => commands::serve(*config),
        Task::Check(directory) => commands::check(&directory),
        Task::HealthCheck(config) => commands::health_check(&config),
    };
    match done {
        Ok(code) => code,
        Err(reason) => fail(&reason, 1),
    }
}

/// Says why on standard error.
fn fail(reason: &str, code: u8) -> ExitCode {
    // With standard error closed, the exit code has to say it all.
    let _ = writeln!(std::io::stderr(), "chronoxide: {reason}");
    ExitCode::from(code)
}
