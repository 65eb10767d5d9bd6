//! Several paths out of one record, in one pass.
//!
//! The paths make a tree. Where the scanner meets a key of the tree it goes into the value, else it
//! skips (and checks) it. Of members with one key the last counts, as in the normal form.

use std::ops::Range;

use super::leads::{Leads, Target};
use super::path::{Path, Step};
use super::scan::{Container, Fault, FaultKind, Scanner};
use super::text::decode;

/// Where a value stands in its record; `None` if there is none.
pub type Span = Option<Range<usize>>;

/// Paths to be found together.
#[derive(Debug, Clone)]
pub struct Selection {
    nodes: Vec<Node>,
    /// How objects at each node were written.
    leads: Vec<Leads>,
}

/// A place in records that leads to paths.
#[derive(Debug, Clone, Default)]
struct Node {
    keys: Vec<(Box<str>, usize)>,
    items: Vec<(usize, usize)>,
    /// The number of the path that ends here.
    slot: Option<usize>,
}

impl Node {
    fn is_leaf(&self) -> bool {
        self.keys.is_empty() && self.items.is_empty()
    }
}

impl Selection {
    /// Those of `paths`, which must differ from each other.
    #[must_use]
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut selection = Self {
            nodes: vec![Node::default()],
            leads: Vec::new(),
        };
        for (slot, path) in paths.into_iter().enumerate() {
            let mut node = 0;
            for step in &path.steps {
                node = selection.child(node, step);
            }
            selection.nodes[node].slot = Some(slot);
        }
        selection.leads = vec![Leads::default(); selection.nodes.len()];
        selection
    }

    fn child(&mut self, node: usize, step: &Step) -> usize {
        let next = self.nodes.len();
        let Node { keys, items, .. } = &mut self.nodes[node];
        let known = match step {
            Step::Key(key) => keys.iter().find(|(k, _)| **k == **key).map(|(_, n)| *n),
            Step::Item(item) => items.iter().find(|(i, _)| i == item).map(|(_, n)| *n),
        };
        if let Some(known) = known {
            return known;
        }
        match step {
            Step::Key(key) => keys.push((key.as_str().into(), next)),
            Step::Item(item) => items.push((*item, next)),
        }
        self.nodes.push(Node::default());
        next
    }

    /// Checks `text`, one JSON value, and puts where the values at the paths stand into `found`,
    /// which has a place for each path.
    ///
    /// # Errors
    /// A fault if it is not one JSON value.
    pub fn find(&mut self, text: &str, found: &mut [Span]) -> Result<(), Fault> {
        found.fill(None);
        let mut finder = Finder {
            nodes: &self.nodes,
            leads: &mut self.leads,
            scanner: Scanner::new(text),
            found,
        };
        finder.scanner.skip_space();
        finder.value(0, 0)?;
        finder.scanner.finish()
    }
}

struct Finder<'a, 'f> {
    nodes: &'f [Node],
    leads: &'f mut [Leads],
    scanner: Scanner<'a>,
    found: &'f mut [Span],
}

impl Finder<'_, '_> {
    fn value(&mut self, node: usize, depth: usize) -> Result<(), Fault> {
        let nodes = self.nodes;
        let place = &nodes[node];
        let start = self.scanner.at();
        match self.scanner.peek() {
            Some(b'{') if !place.keys.is_empty() => self.object(node, depth)?,
            Some(b'[') if !place.items.is_empty() => self.array(place, depth)?,
            _ => self.scanner.skip_value(depth)?,
        }
        if let Some(slot) = place.slot {
            self.found[slot] = Some(start..self.scanner.at());
        }
        Ok(())
    }

    fn object(&mut self, node: usize, depth: usize) -> Result<(), Fault> {
        let mut object = self.scanner.open(depth)?;
        for number in 0.. {
            match self.next_member(node, number, &mut object)? {
                Target::End => break,
                Target::Skipped => self.scanner.skip_value(depth + 1)?,
                Target::Node(child) => {
                    self.forget(child);
                    self.value(child, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Moves to the value of the object's next member, the `number`th, and tells where its key leads.
    #[inline]
    fn next_member(
        &mut self,
        node: usize,
        number: usize,
        object: &mut Container,
    ) -> Result<Target, Fault> {
        let rest = self.scanner.rest();
        if let Some((length, target)) = self.leads[node].recognize(number, rest) {
            self.scanner.pass_member(length, object);
            return Ok(target);
        }
        let start = self.scanner.at();
        let nodes = self.nodes;
        let target = match self.scanner.next_key(object)? {
            None => Target::End,
            Some(key) => child_of(&nodes[node], key).map_or(Target::Skipped, Target::Node),
        };
        let lead = self.scanner.since(start);
        self.leads[node].learn(number, lead.as_bytes(), target);
        Ok(target)
    }

    fn array(&mut self, place: &Node, depth: usize) -> Result<(), Fault> {
        let mut array = self.scanner.open(depth)?;
        let mut number = 0;
        while self.scanner.next_item(&mut array)? {
            match place.items.iter().find(|(item, _)| *item == number) {
                None => self.scanner.skip_value(depth + 1)?,
                Some((_, child)) => self.value(*child, depth + 1)?,
            }
            number += 1;
        }
        Ok(())
    }

    /// Drops what an earlier member of the same key had below `node`.
    fn forget(&mut self, node: usize) {
        let nodes = self.nodes;
        let place = &nodes[node];
        if place.is_leaf() {
            return;
        }
        if let Some(slot) = place.slot {
            self.found[slot] = None;
        }
        for (_, child) in &place.keys {
            self.forget_all(*child);
        }
        for (_, child) in &place.items {
            self.forget_all(*child);
        }
    }

    fn forget_all(&mut self, node: usize) {
        if let Some(slot) = self.nodes[node].slot {
            self.found[slot] = None;
        }
        self.forget(node);
    }
}

#[inline]
fn child_of(place: &Node, key: &str) -> Option<usize> {
    if key.contains('\\') {
        let key = decode(key);
        return place
            .keys
            .iter()
            .find(|(k, _)| **k == *key)
            .map(|(_, n)| *n);
    }
    place
        .keys
        .iter()
        .find(|(k, _)| **k == *key)
        .map(|(_, n)| *n)
}

/// The text of a record, if its bytes are UTF-8.
///
/// # Errors
/// A fault at the first byte that is not.
pub fn text_of(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or(0);
        Fault {
            at,
            kind: FaultKind::NotUtf8(byte),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{Path, Selection};

    fn found(text: &str, paths: &[&str]) -> Vec<Option<String>> {
        let paths: Vec<Path> = paths.iter().map(|p| Path::parse(p).unwrap()).collect();
        let mut spans = vec![None; paths.len()];
        Selection::new(&paths).find(text, &mut spans).unwrap();
        spans
            .into_iter()
            .map(|span| span.map(|span| text[span].to_owned()))
            .collect()
    }

    #[test]
    fn values_are_found_in_one_pass() {
        let text = r#" {"a":{"b":[1,{"c":"x"}]},"n":null,"\u0065":2} "#;
        let paths = [
            "$.a.b[1].c",
            "$.a",
            "$.n",
            "$.e",
            "$.a.z",
            "$.n.x",
            "$.a.b[7]",
            "$.a[0]",
        ];
        let wanted = [
            Some("\"x\""),
            Some(r#"{"b":[1,{"c":"x"}]}"#),
            Some("null"),
            Some("2"),
            None,
            None,
            None,
            None,
        ];
        assert_eq!(
            found(text, &paths),
            wanted.map(|value| value.map(str::to_owned))
        );
    }

    #[test]
    fn the_last_of_equal_keys_counts() {
        let paths = ["$.a.b", "$.a.c", "$.a"];
        let text = r#"{"a":{"b":1,"c":2},"a":{"c":3}}"#;
        let wanted = [None, Some("3".to_owned()), Some(r#"{"c":3}"#.to_owned())];
        assert_eq!(found(text, &paths), wanted);
        let text = r#"{"a":{"b":1,"c":2},"a":5}"#;
        assert_eq!(found(text, &paths), [None, None, Some("5".to_owned())]);
    }

    #[test]
    fn the_whole_record_is_checked() {
        let mut selection = Selection::new(&[Path::key("a")]);
        let fault = selection
            .find(r#"{"a":1,"b":tru}"#, &mut [None])
            .unwrap_err();
        assert_eq!(fault.to_string(), "expected a value, found 't'");
    }

    /// Whatever records came before, one is read as if it were the first.
    #[test]
    fn records_that_are_written_otherwise_are_read_all_the_same() {
        let paths = ["$.a", "$.b.c", "$.z"].map(|path| Path::parse(path).unwrap());
        let long = "k".repeat(40);
        let records = [
            r#"{"a": 1, "b": {"c": 2}, "z": 3}"#.to_owned(),
            r#"{"a":1,"b":{"c":2},"z":3}"#.to_owned(),
            r#"{"a":   1  ,"b":{ "c" : 2 },"z":3 }"#.to_owned(),
            r#"{"z":3,"b":{"d":0,"c":2},"a":1}"#.to_owned(),
            r#"{"a":0,"a":1,"b":5,"b":{"c":2},"z":3}"#.to_owned(),
            format!(r#"{{"{long}":0,"a":1,"b":{{"{long}":[],"c":2}},"z":3}}"#),
            r#"{"\u0061":1,"b":{"c":2},"z":3,"zz":0}"#.to_owned(),
            r#"{"ab":9,"a":1,"bc":{},"b":{"c":2},"z":3}"#.to_owned(),
        ];
        let faults = [
            r#"{"a": 1 "b": 2}"#,
            r#"{"a": 1, }"#,
            r#"{"a": , "b": 2}"#,
            r#"{, "a": 1}"#,
            r#"{"a": 1, "b": {"c": 2}, "z": 3"#,
            r#"{"a""#,
        ];
        let mut selection = Selection::new(&paths);
        let mut spans = vec![None; paths.len()];
        for round in 0..40 {
            let record = &records[round * 7 % 11 % records.len()];
            for _ in 0..round % 12 {
                selection.find(record, &mut spans).unwrap();
                let found: Vec<&str> = spans.iter().map(|s| &record[s.clone().unwrap()]).collect();
                assert_eq!(found, ["1", "2", "3"], "{record}");
            }
            for fault in faults {
                let fresh = Selection::new(&paths).find(fault, &mut spans).unwrap_err();
                assert_eq!(
                    selection.find(fault, &mut spans).unwrap_err(),
                    fresh,
                    "{fault}"
                );
            }
        }
    }
}
