//! The worker's program in Python, which is part of this binary.

use serde_json::{Value, json};

/// What the interpreter is started with: it reads the rest from its standard input.
pub(crate) const BOOTSTRAP: &str = include_str!("../python/bootstrap.py");

/// The modules of the program, by the names that they are imported by.
const MODULES: &[(&str, &str)] = &[
    ("sheaf_worker", ""),
    ("sheaf", include_str!("../python/sheaf.py")),
    (
        "sheaf_worker.aggregate",
        include_str!("../python/aggregate.py"),
    ),
    (
        "sheaf_worker.asynchronous",
        include_str!("../python/asynchronous.py"),
    ),
    ("sheaf_worker.chain", include_str!("../python/chain.py")),
    ("sheaf_worker.convert", include_str!("../python/convert.py")),
    ("sheaf_worker.faults", include_str!("../python/faults.py")),
    ("sheaf_worker.forms", include_str!("../python/forms.py")),
    ("sheaf_worker.loop", include_str!("../python/loop.py")),
    ("sheaf_worker.scalar", include_str!("../python/scalar.py")),
    ("sheaf_worker.source", include_str!("../python/source.py")),
    ("sheaf_worker.table", include_str!("../python/table.py")),
    ("sheaf_worker.wire", include_str!("../python/wire.py")),
];

/// The first request: all modules.
pub(crate) fn modules() -> Value {
    let modules: serde_json::Map<String, Value> = MODULES
        .iter()
        .map(|(name, source)| ((*name).to_owned(), Value::from(*source)))
        .collect();
    json!({ "modules": modules })
}
