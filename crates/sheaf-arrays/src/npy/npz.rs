//! Arrays in npz files: npy files that are members of a zip file.

use std::sync::Arc;

use parking_lot::Mutex;
use sheaf_base::error::SqlState;
use sheaf_base::{Result, SheafError};

use super::zip::{Member, members};
use super::{Bytes, InObject, header_of, missing, open, open_part};
use crate::context::{Context, next_number};
use crate::objects::{Objects, always};
use crate::scratch::ScratchFile;
use crate::store::Array;

/// Names that an error lists.
const NAMES_LISTED_MAX: usize = 20;

/// A member that is deflated: it is unpacked once a context, to disk, where it is read at any place.
struct Deflated {
    number: u64,
    file: Arc<dyn Objects>,
    member: Member,
    begin: u64,
}

#[derive(Default)]
struct Unpacked(Mutex<Option<(Arc<dyn ScratchFile>, u64)>>);

/// The names of the arrays in the npz file `file`.
///
/// # Errors
/// `UserInput` if there is no such file; `Data` if it is no npz file.
pub fn list_npz(file: &dyn Objects) -> Result<Vec<String>> {
    let size = file
        .size("", &always)?
        .ok_or_else(|| missing(&file.name()))?;
    Ok(arrays(file, size)?
        .into_iter()
        .map(|(name, _)| name)
        .collect())
}

/// An array of the npz file `file`: that called `name`, or the only one. In chunks of `chunk` elements per
/// axis, or of whole rows.
///
/// # Memory
/// The directory of the file. A member that is deflated goes to the context's scratch files when it is first
/// read: as many bytes as its array has.
/// # Errors
/// `UserInput` if there is no such file or array, or there are several and no name is given: it lists them;
/// `Data` if the file is wrong.
pub fn read_npz(
    file: Arc<dyn Objects>,
    name: Option<&str>,
    chunk: Option<&[u64]>,
) -> Result<Array> {
    let size = file
        .size("", &always)?
        .ok_or_else(|| missing(&file.name()))?;
    let (name, member) = choose(&file.name(), arrays(&*file, size)?, name)?;
    let called = format!("{}/{name}", file.name());
    let begin = member.begin(&*file, size, &always)?;
    let is_deflated = member.is_deflated();
    if !is_deflated.map_err(|error| error.with_context(&called))? {
        if member.packed != member.bytes {
            return Err(SheafError::data(format!(
                "{called} has {} bytes, and {} are stored",
                member.bytes, member.packed
            )));
        }
        let part = InObject {
            objects: file,
            key: String::new(),
            begin,
        };
        return open_part(called, part, member.bytes, chunk, &always);
    }
    let header = header_of(&called, member.bytes, |count| {
        let mut start = Vec::new();
        member.inflate(&*file, begin, &always, |piece| {
            start.extend_from_slice(piece);
            Ok(start.len() < count)
        })?;
        start.truncate(count);
        Ok(start)
    })?;
    let length = member.bytes;
    let deflated = Deflated {
        number: next_number(),
        file,
        member,
        begin,
    };
    open(called, header, length, Arc::new(deflated), chunk)
}

/// Names and members of the arrays; of those of the same name the last, as Python has it.
fn arrays(file: &dyn Objects, size: u64) -> Result<Vec<(String, Member)>> {
    let mut arrays: Vec<(String, Member)> = Vec::new();
    for member in members(file, size, &always)? {
        let Some(name) = member.name.strip_suffix(".npy") else {
            continue;
        };
        arrays.push((name.to_owned(), member));
    }
    // The sort is stable: of those of one name the last stays.
    arrays.sort_by(|one, other| one.0.cmp(&other.0));
    arrays.reverse();
    arrays.dedup_by(|one, kept| one.0 == kept.0);
    arrays.reverse();
    Ok(arrays)
}

fn choose(
    file: &str,
    arrays: Vec<(String, Member)>,
    name: Option<&str>,
) -> Result<(String, Member)> {
    let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
    let mut list = names[..names.len().min(NAMES_LISTED_MAX)].join(", ");
    if names.len() > NAMES_LISTED_MAX {
        list.push_str(", …");
    }
    let error = match name {
        None if names.len() == 1 => None,
        None if names.is_empty() => Some(SheafError::data(format!("{file} has no arrays"))),
        None => Some(
            SheafError::user(format!("{file} has {} arrays: {list}", names.len()))
                .with_hint("give the name of one"),
        ),
        Some(wanted) if names.contains(&wanted.strip_suffix(".npy").unwrap_or(wanted)) => None,
        Some(wanted) if names.contains(&wanted) => None,
        Some(wanted) => Some(
            SheafError::user(format!("{file} has no array '{wanted}'"))
                .with_state(SqlState::UNDEFINED_OBJECT)
                .with_hint(format!("its arrays are {list}")),
        ),
    };
    if let Some(error) = error {
        return Err(error);
    }
    let is_wanted = |(own, _): &(String, Member)| {
        name.is_none_or(|name| name == own || name.strip_suffix(".npy") == Some(own))
    };
    arrays
        .into_iter()
        .find(is_wanted)
        .ok_or_else(|| SheafError::internal("an array that was listed is gone"))
}

impl Bytes for Deflated {
    fn read(&self, offset: u64, into: &mut [u8], context: &Context) -> Result<()> {
        let kept = context.kept::<Unpacked>(self.number);
        let (scratch, start) = {
            let mut kept = kept.0.lock();
            match &*kept {
                Some((scratch, start)) => (Arc::clone(scratch), *start),
                None => {
                    let (scratch, start) = kept.insert(self.unpack(context)?);
                    (Arc::clone(scratch), *start)
                }
            }
        };
        scratch.read(start + offset, into)
    }

    fn gap_bytes(&self) -> u64 {
        4096
    }
}

impl Deflated {
    /// The unpacked bytes, and where they begin.
    fn unpack(&self, context: &Context) -> Result<(Arc<dyn ScratchFile>, u64)> {
        let scratch = context.scratch().create("an array of an npz file")?;
        let _held = context.hold(2 * super::zip::PIECE_BYTES, "unpacking an npz file")?;
        let mut start = None;
        let go_on = || context.check();
        self.member
            .inflate(&*self.file, self.begin, &go_on, |piece| {
                let offset = scratch.append(piece)?;
                start.get_or_insert(offset);
                Ok(true)
            })?;
        Ok((scratch, start.unwrap_or(0)))
    }
}
