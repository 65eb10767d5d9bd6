//! The list of settings. To add one, add a row here; nothing else has to know.

use super::{Setting, SettingKind};

/// Every setting of Sheaf, in the order in which they are shown.
pub static SETTINGS: &[Setting] = &[
    Setting {
        name: "memory_limit",
        kind: SettingKind::Bytes { min: 16_000_000 },
        default: "auto",
        is_personal: false,
        doc: "Memory that all running queries together may hold. auto is 70 % of what the \
              machine or container allows. Operators spill to disk when it is reached.",
    },
    Setting {
        name: "query_memory_limit",
        kind: SettingKind::Bytes { min: 1_000_000 },
        default: "auto",
        is_personal: false,
        doc: "Memory that one query may hold, within memory_limit. auto means that memory_limit \
              alone counts.",
    },
    Setting {
        name: "threads",
        kind: SettingKind::Count { min: 1 },
        default: "auto",
        is_personal: false,
        doc: "Threads that compute. auto follows the processors of the machine or container. \
              It is fixed when the process starts; SET changes how many partitions run at once.",
    },
    Setting {
        name: "scheduler",
        kind: SettingKind::Choice(&["threads", "synchronous", "processes"]),
        default: "threads",
        is_personal: true,
        doc: "How partitions run: threads runs several at once; synchronous one after another, in \
              order, so that errors and rows come in sequence; processes is threads, since functions \
              in Python run in processes either way. The results are the same.",
    },
    Setting {
        name: "temp_directory",
        kind: SettingKind::Text,
        default: "",
        is_personal: false,
        doc: "Directory for spilled data; empty means the system's directory for temporary files. \
              SET moves what is spilled from then on.",
    },
    Setting {
        name: "max_temp_directory_size",
        kind: SettingKind::Bytes { min: 0 },
        default: "100GB",
        is_personal: false,
        doc: "Disk space that spilled data may take.",
    },
    Setting {
        name: "partition_size",
        kind: SettingKind::Bytes { min: 1_024 },
        default: "auto",
        is_personal: false,
        doc: "Bytes of input in one partition: larger files are split, smaller ones are read \
              together. auto suits the size of the input and the number of threads.",
    },
    Setting {
        name: "batch_size",
        kind: SettingKind::Count { min: 1 },
        default: "8192",
        is_personal: false,
        doc: "Rows that operators pass on at a time; fewer where memory_limit is small.",
    },
    Setting {
        name: "statement_timeout",
        kind: SettingKind::Duration,
        default: "0",
        is_personal: true,
        doc: "Time after which a statement is cancelled; 0 means never. A bare number is in \
              milliseconds, as in PostgreSQL.",
    },
    Setting {
        name: "time_zone",
        kind: SettingKind::Text,
        default: "UTC",
        is_personal: true,
        doc: "Time zone in which timestamps with time zone are computed and shown.",
    },
    Setting {
        name: "python_executable",
        kind: SettingKind::Text,
        default: "python3",
        is_personal: false,
        doc: "Interpreter that functions in Python run in: a path, or a name that is looked up. It \
              must have pyarrow.",
    },
    Setting {
        name: "python_workers",
        kind: SettingKind::Count { min: 1 },
        default: "auto",
        is_personal: false,
        doc: "Processes of the interpreter that calls run in at once. auto follows threads.",
    },
    Setting {
        name: "python_memory_limit",
        kind: SettingKind::Bytes { min: 100_000_000 },
        default: "auto",
        is_personal: false,
        doc: "Memory that each process of the interpreter may take beyond what it starts with. auto \
              shares memory_limit among python_workers, with 1 GB for each at least.",
    },
    Setting {
        name: "python_timeout",
        kind: SettingKind::Duration,
        default: "0",
        is_personal: false,
        doc: "Time after which a call of a function in Python, for one batch of rows, is given up; 0 \
              means never.",
    },
    Setting {
        name: "progress_bar",
        kind: SettingKind::Bool,
        default: "on",
        is_personal: true,
        doc: "Show a progress bar on a terminal for queries that run over half a second.",
    },
];
