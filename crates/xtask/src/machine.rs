//! What this machine has: programs that tests need, and the facts a benchmark must state.

use std::fs;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;

/// A program that tests need, and the Debian package that brings it.
struct Program {
    probe: &'static [&'static str],
    package: &'static str,
}

/// Every program that tests need beside cargo.
static PROGRAMS: &[Program] = &[
    Program {
        probe: &["cc", "--version"],
        package: "gcc libc6-dev",
    },
    Program {
        probe: &["clang", "--version"],
        package: "clang",
    },
    Program {
        probe: &["wasm-ld", "--version"],
        package: "lld",
    },
    Program {
        probe: &["python3", "--version"],
        package: "python3",
    },
    Program {
        probe: &["python3", "-c", "import venv, ensurepip"],
        package: "python3-venv",
    },
    Program {
        probe: &["bash", "--version"],
        package: "bash",
    },
    Program {
        probe: &["less", "--version"],
        package: "less",
    },
    Program {
        probe: &["psql", "--version"],
        package: "postgresql-client",
    },
    Program {
        probe: &["npm", "--version"],
        package: "nodejs npm",
    },
    Program {
        probe: &["java", "-version"],
        package: "default-jre-headless",
    },
    Program {
        probe: &["test", "-f", "/usr/share/java/postgresql.jar"],
        package: "libpostgresql-jdbc-java",
    },
    Program {
        probe: &["bash", "-c", "test -f /usr/lib/*/odbc/psqlodbcw.so"],
        package: "odbc-postgresql libodbc2",
    },
];

/// Installs the programs that are missing, where apt and the right to use it are at hand.
///
/// # Errors
/// Names the packages that are missing and could not be installed.
pub(crate) fn install_programs() -> Result<()> {
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    let is_root = process::capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let apt = |arguments: &[&str]| {
        let mut command = if is_root {
            Command::new("apt-get")
        } else {
            let mut sudo = Command::new("sudo");
            sudo.args(["--non-interactive", "apt-get"]);
            sudo
        };
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(arguments);
        process::run(&mut command)
    };
    let install = ["install", "--yes", "--no-install-recommends"];
    let arguments: Vec<&str> = install.iter().chain(&missing).copied().collect();
    if let Err(failure) = apt(&["update"]).and_then(|()| apt(&arguments)) {
        println!("{failure}");
    }
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "please install what these packages bring: {}",
        missing.join(" ")
    )))
}

fn missing_packages() -> Vec<&'static str> {
    let missing = PROGRAMS.iter().filter(|program| {
        let [name, arguments @ ..] = program.probe else {
            return false;
        };
        !process::succeeds(Command::new(name).args(arguments))
    });
    missing
        .flat_map(|program| program.package.split(' '))
        .collect()
}

/// `2 cores, 23.4 GiB memory, Intel(R) Xeon(R) …`.
pub(crate) fn description() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = line_value("/proc/meminfo", "MemTotal:").map_or_else(String::new, |kibibytes| {
        let kibibytes: f64 = kibibytes.trim_end_matches(" kB").parse().unwrap_or(0.0);
        format!(", {:.1} GiB memory", kibibytes / 1024.0 / 1024.0)
    });
    let model = line_value("/proc/cpuinfo", "model name").map_or_else(String::new, |model| {
        format!(", {}", model.trim_start_matches([':', ' ', '\t']))
    });
    format!("{cores} cores{memory}{model}")
}

/// The most memory (bytes) that process `id` has had resident so far; `None` when it is gone.
pub(crate) fn peak_resident_bytes(id: u32) -> Option<u64> {
    let kibibytes = line_value(&format!("/proc/{id}/status"), "VmHWM:")?;
    kibibytes
        .trim_end_matches(" kB")
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}

/// What follows `name` on the first line of `file` that starts with it.
fn line_value(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(|value| value.trim().to_owned())
}
