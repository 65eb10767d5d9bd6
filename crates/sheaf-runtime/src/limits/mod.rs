//! What the machine, or the container around this process, allows: processors and memory.
//!
//! A container's limits stand in the control groups of the process or of any group above it; the
//! tightest one holds. Both hierarchies are read: version 2 (one tree, `memory.max`, `cpu.max`)
//! and version 1 (a tree a controller). Where nothing can be read the machine's own size counts.
//! Knows nothing of settings; the session decides whether to follow.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use sheaf_base::ByteCount;

/// Processors and memory that this process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineLimits {
    /// Threads that can run at once: affinity and processor quota, at least 1.
    pub threads: usize,
    /// Bytes of memory that the machine or container has.
    pub memory_bytes: u64,
    /// Bytes that could be had now without swapping, if the machine tells.
    pub memory_available_bytes: Option<u64>,
}

/// Share of the memory that `memory_limit = auto` takes, in percent.
const MEMORY_AUTO_PERCENT: u64 = 70;

/// What counts as the machine's memory where the operating system does not tell.
const MEMORY_UNKNOWN_BYTES: u64 = 4_000_000_000;

/// Groups above a process that are looked at; deeper nesting than this is not met in practice.
const CGROUP_DEPTH_MAX: usize = 64;

impl MachineLimits {
    /// Reads the limits of the running process.
    #[must_use]
    pub fn detect() -> Self {
        let groups = ControlGroups::detect();
        let affinity = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = groups
            .cpu_quota()
            .map_or(affinity, |quota| quota.min(affinity));
        let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let machine_bytes = meminfo_bytes(&meminfo, "MemTotal").unwrap_or(MEMORY_UNKNOWN_BYTES);
        let memory_bytes = groups
            .memory_bytes()
            .map_or(machine_bytes, |bytes| bytes.min(machine_bytes));
        Self {
            threads: threads.max(1),
            memory_bytes,
            memory_available_bytes: meminfo_bytes(&meminfo, "MemAvailable")
                .map(|bytes| bytes.min(memory_bytes)),
        }
    }

    /// The value of `memory_limit = auto`.
    #[must_use]
    pub fn memory_limit_auto(&self) -> ByteCount {
        ByteCount(self.memory_bytes / 100 * MEMORY_AUTO_PERCENT)
    }
}

/// The control groups of a process: where they are mounted, and `/proc/self/cgroup`.
#[derive(Debug)]
struct ControlGroups {
    root: PathBuf,
    membership: String,
}

impl ControlGroups {
    fn detect() -> Self {
        Self {
            root: PathBuf::from("/sys/fs/cgroup"),
            membership: std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
        }
    }

    /// The tightest memory limit in bytes, if there is one.
    fn memory_bytes(&self) -> Option<u64> {
        let mut tightest: Option<u64> = None;
        for group in self.unified_groups() {
            for file in ["memory.max", "memory.high"] {
                tightest = least(tightest, read_number(&group.join(file)));
            }
        }
        for group in self.controller_groups("memory") {
            tightest = least(tightest, read_number(&group.join("memory.limit_in_bytes")));
        }
        tightest
    }

    /// The tightest processor quota, in processors rounded up, if there is one.
    fn cpu_quota(&self) -> Option<usize> {
        let mut tightest: Option<usize> = None;
        for group in self.unified_groups() {
            let quota = std::fs::read_to_string(group.join("cpu.max")).ok();
            tightest = least(tightest, quota.as_deref().and_then(parse_cpu_max));
        }
        for group in self.controller_groups("cpu") {
            let quota = read_number(&group.join("cpu.cfs_quota_us"));
            let period = read_number(&group.join("cpu.cfs_period_us"));
            tightest = least(
                tightest,
                quota.zip(period).and_then(|(q, p)| processors(q, p)),
            );
        }
        tightest
    }

    /// This process's groups of version 2, innermost first, up to the root.
    fn unified_groups(&self) -> Vec<PathBuf> {
        let path = self
            .membership
            .lines()
            .find_map(|line| line.strip_prefix("0::"));
        // Where both versions are mounted, version 2 is beside the controllers of version 1.
        let mut groups = path.map_or_else(Vec::new, |path| ancestors(&self.root, path));
        if let Some(path) = path {
            groups.extend(ancestors(&self.root.join("unified"), path));
        }
        groups
    }

    /// This process's groups of one controller of version 1, innermost first, up to the root.
    fn controller_groups(&self, controller: &str) -> Vec<PathBuf> {
        for line in self.membership.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if controllers.split(',').any(|name| name == controller) {
                let mut groups = ancestors(&self.root.join(controllers), path);
                if controllers != controller {
                    groups.extend(ancestors(&self.root.join(controller), path));
                }
                return groups;
            }
        }
        Vec::new()
    }
}

/// `mount/a/b`, `mount/a`, `mount` for the path `/a/b`. Those that a container does not see do
/// not exist, and reading them gives nothing.
fn ancestors(mount: &Path, path: &str) -> Vec<PathBuf> {
    let relative = Path::new(path.trim().trim_start_matches('/'));
    relative
        .ancestors()
        .take(CGROUP_DEPTH_MAX)
        .map(|part| mount.join(part))
        .collect()
}

fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A file that holds one number; `max`, `-1` and unreadable files give nothing.
fn read_number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Reads `150000 100000` (quota and period in microseconds) or `max 100000`.
fn parse_cpu_max(text: &str) -> Option<usize> {
    let mut fields = text.split_whitespace();
    let quota = fields.next()?.parse().ok()?;
    let period = fields.next().unwrap_or("100000").parse().ok()?;
    processors(quota, period)
}

/// Processors that a quota amounts to, rounded up, at least 1.
fn processors(quota: u64, period: u64) -> Option<usize> {
    if period == 0 {
        return None;
    }
    usize::try_from(quota.div_ceil(period).max(1)).ok()
}

/// One line of `/proc/meminfo` (`MemTotal:  32671032 kB`) in bytes.
fn meminfo_bytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}
