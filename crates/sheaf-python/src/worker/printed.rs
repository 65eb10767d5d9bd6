//! What functions print, bounded.

/// Bytes that are kept of what one call prints; more is counted.
const PRINTED_BYTES_MAX: usize = 16 * 1024;

/// What one call has printed: its beginning, and how much more there was.
#[derive(Debug, Default)]
pub(super) struct Printed {
    kept: Vec<u8>,
    left_out: usize,
}

impl Printed {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let room = PRINTED_BYTES_MAX.saturating_sub(self.kept.len());
        let (kept, left_out) = bytes.split_at(room.min(bytes.len()));
        self.kept.extend_from_slice(kept);
        self.left_out += left_out.len();
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.left_out = 0;
    }

    /// The text, without what would trouble a terminal; empty if nothing was printed.
    pub(super) fn text(&self) -> String {
        if self.kept.is_empty() {
            return String::new();
        }
        let is_shown = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
        let text = String::from_utf8_lossy(&self.kept);
        let mut text: String = text.trim_end().chars().filter(is_shown).collect();
        if self.left_out > 0 {
            text.push_str(&format!("\n… and {} bytes more", self.left_out));
        }
        text
    }
}
