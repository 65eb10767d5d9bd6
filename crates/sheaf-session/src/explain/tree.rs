//! A plan drawn as a tree, one operator a line.

use sheaf_base::units::format_duration;

use super::node::{Measured, PlanNode};

/// The tree's lines; what was measured stands in brackets behind each operator.
pub(crate) fn to_lines(root: &PlanNode) -> Vec<String> {
    let mut lines = vec![];
    draw(root, "", "", &mut lines);
    lines
}

/// Draws `node` behind `first`, and what is below it behind `rest`.
fn draw(node: &PlanNode, first: &str, rest: &str, lines: &mut Vec<String>) {
    let mut line = format!("{first}{}", node.name);
    if !node.details.is_empty() {
        line.push_str("  ");
        line.push_str(&node.details);
    }
    if let Some(measured) = &node.measured {
        line.push_str(&format!("  [{}]", describe(measured)));
    }
    lines.push(line);
    for (index, child) in node.children.iter().enumerate() {
        let is_last = index + 1 == node.children.len();
        let (branch, below) = if is_last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        draw(
            child,
            &format!("{rest}{branch}"),
            &format!("{rest}{below}"),
            lines,
        );
    }
}

fn describe(measured: &Measured) -> String {
    let mut parts = vec![];
    if let Some(rows) = measured.rows {
        parts.push(format!("{rows} rows"));
    }
    if let Some(cpu) = measured.cpu {
        parts.push(format!("cpu {}", format_duration(cpu)));
    }
    if let Some(memory) = measured.memory_peak {
        parts.push(format!("memory {memory}"));
    }
    if let Some(spilled) = measured.spilled {
        parts.push(format!("spilled {spilled}"));
    }
    parts.join(", ")
}
