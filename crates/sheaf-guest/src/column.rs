//! Columns of arguments, and room for columns of results.

use alloc::vec::Vec;

use crate::memory;

/// Bytes of a descriptor.
pub const DESCRIPTOR_BYTES: u32 = 32;

/// A column of arguments.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub(crate) code: u32,
    pub(crate) validity: Option<&'static [u8]>,
    values: u32,
    bytes: usize,
    offsets: &'static [u32],
}

/// Room for a column of results.
#[derive(Debug)]
pub struct Slot {
    address: u32,
    pub(crate) code: u32,
    validity: &'static mut [u8],
    values: u32,
    offsets: &'static mut [u32],
    texts: Vec<u8>,
}

impl Column {
    /// The column whose descriptor is the one `number` from `address` on.
    pub(crate) fn read(address: u32, number: u32) -> Self {
        let numbers = memory::values::<u32>(address + number * DESCRIPTOR_BYTES, 8);
        let [code, _, rows, validity, values, bytes, offsets, _] = numbers else {
            unreachable!("eight numbers were asked for");
        };
        let rows = *rows as usize;
        Self {
            code: *code,
            validity: (*validity != 0).then(|| memory::values(*validity, rows)),
            values: *values,
            bytes: *bytes as usize,
            offsets: match *offsets {
                0 => &[],
                offsets => memory::values(offsets, rows + 1),
            },
        }
    }

    /// Whether the value in `row` is one.
    #[must_use]
    pub fn is_valid(&self, row: usize) -> bool {
        self.validity.is_none_or(|validity| validity[row] != 0)
    }

    /// Its values, if they are numbers of this type's width.
    pub(crate) fn numbers<T: memory::Bits>(&self) -> &'static [T] {
        memory::values(self.values, self.bytes / size_of::<T>())
    }

    /// The bytes of the text `row`.
    pub(crate) fn text(&self, row: usize) -> &'static [u8] {
        let (start, end) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        &memory::values::<u8>(self.values, self.bytes)[start..end]
    }
}

impl Slot {
    /// The room whose descriptor is the one `number` from `address` on.
    pub(crate) fn read(address: u32, number: u32) -> Self {
        let address = address + number * DESCRIPTOR_BYTES;
        let numbers = memory::values::<u32>(address, 8);
        let [code, _, rows, validity, values, _, offsets, _] = numbers else {
            unreachable!("eight numbers were asked for");
        };
        let rows = *rows as usize;
        Self {
            address,
            code: *code,
            validity: memory::room(*validity, rows),
            values: *values,
            offsets: match *offsets {
                0 => &mut [],
                offsets => memory::room(offsets, rows + 1),
            },
            texts: Vec::new(),
        }
    }

    /// Its values, if they are numbers of this type's width.
    pub(crate) fn numbers<T: memory::Bits>(&mut self) -> &'static mut [T] {
        memory::room(self.values, self.validity.len())
    }

    /// Puts `number` into `row`.
    pub(crate) fn put_number<T: memory::Bits>(&mut self, row: usize, number: T) {
        self.numbers::<T>()[row] = number;
    }

    /// Puts `text` into `row`, the one after the last.
    pub(crate) fn put_text(&mut self, row: usize, text: &[u8]) {
        self.texts.extend_from_slice(text);
        self.end_text(row);
    }

    /// Puts NULL into `row`, the one after the last.
    pub(crate) fn put_null(&mut self, row: usize) {
        self.validity[row] = 0;
        self.end_text(row);
    }

    fn end_text(&mut self, row: usize) {
        if let Some(offset) = self.offsets.get_mut(row + 1) {
            *offset = self.texts.len() as u32;
        }
    }

    /// Leaves its texts to the host.
    pub(crate) fn finish(self) {
        if !self.offsets.is_empty() {
            let bytes = self.texts.len() as u32;
            let address = memory::keep(self.texts);
            let numbers = memory::room::<u32>(self.address, 8);
            numbers[4] = address;
            numbers[5] = bytes;
        }
    }
}
