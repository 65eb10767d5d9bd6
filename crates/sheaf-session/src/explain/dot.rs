//! A plan as a Graphviz graph: data flows upwards.

use super::node::PlanNode;

/// The lines of a `digraph`.
pub(crate) fn to_dot(root: &PlanNode) -> Vec<String> {
    let mut lines = vec![
        "digraph plan {".to_owned(),
        "  rankdir=BT; node [shape=box];".to_owned(),
    ];
    let mut next = 0;
    draw(root, None, &mut next, &mut lines);
    lines.push("}".to_owned());
    lines
}

fn draw(node: &PlanNode, parent: Option<usize>, next: &mut usize, lines: &mut Vec<String>) {
    let id = *next;
    *next += 1;
    let label = format!("{}\n{}", node.name, node.details);
    lines.push(format!("  n{id} [label={label:?}];"));
    if let Some(parent) = parent {
        lines.push(format!("  n{id} -> n{parent};"));
    }
    for child in &node.children {
        draw(child, Some(id), next, lines);
    }
}
