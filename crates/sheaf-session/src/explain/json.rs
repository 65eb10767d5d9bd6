//! A plan as JSON, for programs.

use super::node::PlanNode;

/// One object in a list, as in PostgreSQL, whose clients read it (sqlx's macros): `Node Type`, `Details`,
/// `Output` where more is to be shown, what was measured, `Plans`.
pub(crate) fn to_json(node: &PlanNode, is_verbose: bool) -> String {
    let mut out = "[{\"Plan\":".to_owned();
    write(node, is_verbose, &mut out);
    out.push_str("}]");
    out
}

fn write(node: &PlanNode, is_verbose: bool, out: &mut String) {
    out.push_str("{\"Node Type\":");
    string(&node.name, out);
    out.push_str(",\"Details\":");
    string(&node.details, out);
    if is_verbose {
        out.push_str(",\"Output\":[");
        for (index, column) in node.output.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            string(column, out);
        }
        out.push(']');
    }
    if let Some(measured) = &node.measured {
        let mut number = |name: &str, value: Option<u64>| {
            if let Some(value) = value {
                out.push_str(&format!(",\"{name}\":{value}"));
            }
        };
        number("rows", measured.rows.map(|rows| rows.0));
        let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        number("cpu_us", measured.cpu.map(micros));
        number(
            "memory_peak_bytes",
            measured.memory_peak.map(|bytes| bytes.0),
        );
        number("spilled_bytes", measured.spilled.map(|bytes| bytes.0));
    }
    out.push_str(",\"Plans\":[");
    for (index, child) in node.children.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(child, is_verbose, out);
    }
    out.push_str("]}");
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
