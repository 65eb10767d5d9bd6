//! Both versions of control groups, in trees made for the test.

use std::fs;

use super::*;

fn groups(files: &[(&str, &str)], membership: &str) -> (tempfile::TempDir, ControlGroups) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let groups = ControlGroups {
        root: root.path().to_owned(),
        membership: membership.to_owned(),
    };
    (root, groups)
}

#[test]
fn version_2_takes_the_tightest_on_the_way_up() {
    let (_root, groups) = groups(
        &[
            ("a/b/memory.max", "max\n"),
            ("a/memory.max", "2000000000\n"),
            ("memory.max", "4000000000\n"),
            ("a/b/cpu.max", "max 100000\n"),
            ("a/cpu.max", "150000 100000\n"),
        ],
        "0::/a/b\n",
    );
    assert_eq!(groups.memory_bytes(), Some(2_000_000_000));
    assert_eq!(
        groups.cpu_quota(),
        Some(2),
        "one and a half processors round up"
    );
}

#[test]
fn version_2_counts_memory_high() {
    let (_root, groups) = groups(&[("memory.max", "900"), ("memory.high", "700")], "0::/\n");
    assert_eq!(groups.memory_bytes(), Some(700));
}

#[test]
fn version_1_reads_each_controller_and_falls_back_to_its_mount() {
    // In a container the path of the host is listed, but only its own group is mounted.
    let (_root, groups) = groups(
        &[
            ("memory/memory.limit_in_bytes", "512000000\n"),
            ("cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        ],
        "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
    );
    assert_eq!(groups.memory_bytes(), Some(512_000_000));
    assert_eq!(
        groups.cpu_quota(),
        Some(1),
        "half a processor is still one thread"
    );
}

#[test]
fn no_limit_is_no_limit() {
    let (_root, v1) = groups(
        &[
            ("cpu/cpu.cfs_quota_us", "-1\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
        ],
        "4:cpu:/\n",
    );
    assert_eq!(v1.cpu_quota(), None);
    let (_root, none) = groups(&[], "");
    assert_eq!((none.memory_bytes(), none.cpu_quota()), (None, None));
    let (_root, garbage) = groups(&[("cpu.max", "1 0"), ("memory.max", "x")], "0::/\nnonsense");
    assert_eq!((garbage.memory_bytes(), garbage.cpu_quota()), (None, None));
}

#[test]
fn meminfo_is_in_kibibytes() {
    let text = "MemTotal:       32671032 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n";
    assert_eq!(meminfo_bytes(text, "MemTotal"), Some(32_671_032 * 1024));
    assert_eq!(meminfo_bytes(text, "MemAvailable"), Some(1_048_576));
    assert_eq!(meminfo_bytes(text, "SwapTotal"), None);
}

#[test]
fn this_machine_has_something() {
    let limits = MachineLimits::detect();
    assert!(limits.threads >= 1);
    assert!(limits.memory_bytes > 1_000_000);
    assert!(limits.memory_limit_auto().0 < limits.memory_bytes);
}
