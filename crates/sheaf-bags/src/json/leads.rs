//! How the members of records begin.
//!
//! Most records of a bag have the same keys in the same order, written alike. So what stands before a
//! member's value (`, "status": `) is remembered by the member's number, with where its key leads: where a
//! later record has the same bytes there, they need not be scanned, nor the key be looked up. What has been
//! scanned once is good wherever it stands behind the same number of members. Speculating on the shape
//! of records follows Y. Li et al., "Mison: A Fast JSON Parser for Data Analytics" (VLDB 2017).
//!
//! Memory: 96 bytes a member, of [`MEMBERS_MAX`] at most.

/// Members of an object whose beginnings are remembered.
const MEMBERS_MAX: usize = 64;

/// Bytes before a value that are remembered.
const LEAD_BYTES_MAX: usize = 32;

/// Records that differ in a row until what they have is remembered instead.
const MISSES_MAX: u8 = 8;

const WORD_BYTES: usize = size_of::<u128>();

/// Where a key leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Nowhere: the object ends.
    End,
    /// Nobody asks for the value.
    Skipped,
    /// To this place of the paths.
    Node(usize),
}

/// How the members of the objects at one place of records begin.
#[derive(Debug, Clone, Default)]
pub(super) struct Leads {
    members: Vec<Lead>,
}

/// The bytes before a member's value.
#[derive(Debug, Clone, Copy)]
struct Lead {
    bytes: [u128; 2],
    /// Ones where `bytes` has some.
    mask: [u128; 2],
    len: usize,
    target: Target,
    misses: u8,
}

impl Leads {
    /// If `rest` begins as the member `number` did before: how many bytes that are, and where its key
    /// leads.
    #[inline]
    pub(super) fn recognize(&mut self, number: usize, rest: &[u8]) -> Option<(usize, Target)> {
        let lead = self.members.get_mut(number)?;
        let begin = match rest.first_chunk() {
            Some(begin) => words(begin),
            None => words(&filled_up(rest)),
        };
        let is_same =
            begin[0] & lead.mask[0] == lead.bytes[0] && begin[1] & lead.mask[1] == lead.bytes[1];
        if is_same {
            lead.misses = 0;
            return Some((lead.len, lead.target));
        }
        lead.misses = lead.misses.saturating_add(1);
        None
    }

    /// Remembers that the member `number` begins with `lead`.
    pub(super) fn learn(&mut self, number: usize, lead: &[u8], target: Target) {
        if lead.len() > LEAD_BYTES_MAX || number >= MEMBERS_MAX {
            return;
        }
        let learnt = Lead::new(lead, target);
        let known_count = self.members.len();
        match self.members.get_mut(number) {
            Some(known) if known.misses >= MISSES_MAX => *known = learnt,
            None if number == known_count => self.members.push(learnt),
            _ => {}
        }
    }
}

impl Lead {
    fn new(lead: &[u8], target: Target) -> Self {
        let (mut bytes, mut mask) = ([0; LEAD_BYTES_MAX], [0; LEAD_BYTES_MAX]);
        bytes[..lead.len()].copy_from_slice(lead);
        mask[..lead.len()].fill(u8::MAX);
        Self {
            bytes: words(&bytes),
            mask: words(&mask),
            len: lead.len(),
            target,
            misses: 0,
        }
    }
}

/// `rest`, which is shorter than a lead may be, with zeros behind it: no lead has any.
fn filled_up(rest: &[u8]) -> [u8; LEAD_BYTES_MAX] {
    let mut begin = [0; LEAD_BYTES_MAX];
    begin[..rest.len()].copy_from_slice(rest);
    begin
}

fn words(bytes: &[u8; LEAD_BYTES_MAX]) -> [u128; 2] {
    let (low, high) = bytes.split_at(WORD_BYTES);
    [low, high].map(|half| {
        let half = half.first_chunk::<WORD_BYTES>().copied();
        u128::from_le_bytes(half.unwrap_or_default())
    })
}
