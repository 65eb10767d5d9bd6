//! What arguments and results may be in Rust.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

use crate::column::{Column, Slot};
use crate::memory::Bits;

const TEXT: u32 = 18;
const BYTEA: u32 = 19;

/// What an argument may be: a number, `bool`, `&str`, `&[u8]`, or an `Option` of one.
pub trait Argument<'a>: Sized {
    /// The numbers of the types that it takes.
    const CODES: &'static [u32];
    /// Whether it may be NULL.
    const TAKES_NULL: bool = false;
    /// The value of `column` in `row`, which is one unless it may be NULL.
    fn get(column: &Column, row: usize) -> Self;
}

/// What a result may be: a number, `bool`, `&str`, `String`, `Vec<u8>`, or an `Option` of one.
pub trait Value {
    /// The numbers of the types that it can be.
    const CODES: &'static [u32];
    /// Puts it into `row`, the one after the last.
    fn put(self, slot: &mut Slot, row: usize);
}

/// A number, for functions over slices.
pub trait Number: Bits {
    /// The numbers of the types that it can be.
    const CODES: &'static [u32];
}

/// What a function gives: a value, or a `Result` of one.
pub trait Outcome {
    /// The value.
    type Value: Value;
    /// The value, or what went wrong.
    ///
    /// # Errors
    /// The function's.
    fn outcome(self) -> Result<Self::Value, String>;
}

/// A row of a table function: a tuple of one to six values.
pub trait Row {
    /// How many columns it has.
    const COLUMNS: u32;
    /// Puts it into `row`, the one after the last.
    fn put(self, slots: &mut [Slot], row: usize);
    /// Whether `slots` are of its types; else the number of the first that is not.
    fn mismatch(slots: &[Slot]) -> Option<usize>;
}

macro_rules! numbers {
    ($($number:ty: $codes:expr;)*) => {$(
        impl Number for $number {
            const CODES: &'static [u32] = $codes;
        }
        impl Argument<'_> for $number {
            const CODES: &'static [u32] = $codes;
            fn get(column: &Column, row: usize) -> Self {
                column.numbers::<Self>()[row]
            }
        }
        impl Value for $number {
            const CODES: &'static [u32] = $codes;
            fn put(self, slot: &mut Slot, row: usize) {
                slot.put_number(row, self);
            }
        }
        impl Outcome for $number {
            type Value = Self;
            fn outcome(self) -> Result<Self, String> {
                Ok(self)
            }
        }
    )*};
}

// A date is its days, a time or timestamp its units, a DECIMAL its digits.
numbers! {
    i8: &[2]; i16: &[3]; i32: &[4, 12]; i64: &[5, 13, 14, 15];
    u8: &[6]; u16: &[7]; u32: &[8]; u64: &[9];
    f32: &[10]; f64: &[11]; i128: &[17];
}

impl Argument<'_> for bool {
    const CODES: &'static [u32] = &[1];
    fn get(column: &Column, row: usize) -> Self {
        column.numbers::<u8>()[row] != 0
    }
}

impl<'a> Argument<'a> for &'a str {
    const CODES: &'static [u32] = &[TEXT];
    fn get(column: &Column, row: usize) -> Self {
        // The host's texts are UTF-8; should one not be, it is empty rather than undefined.
        core::str::from_utf8(column.text(row)).unwrap_or_default()
    }
}

impl<'a> Argument<'a> for &'a [u8] {
    const CODES: &'static [u32] = &[BYTEA];
    fn get(column: &Column, row: usize) -> Self {
        column.text(row)
    }
}

impl<'a, T: Argument<'a>> Argument<'a> for Option<T> {
    const CODES: &'static [u32] = T::CODES;
    const TAKES_NULL: bool = true;
    fn get(column: &Column, row: usize) -> Self {
        column.is_valid(row).then(|| T::get(column, row))
    }
}

macro_rules! values {
    ($($value:ty: $codes:expr, $slot:ident, $row:ident, $this:ident => $put:expr;)*) => {$(
        impl Value for $value {
            const CODES: &'static [u32] = $codes;
            fn put(self, $slot: &mut Slot, $row: usize) {
                let $this = self;
                $put;
            }
        }
        impl Outcome for $value {
            type Value = Self;
            fn outcome(self) -> Result<Self, String> {
                Ok(self)
            }
        }
    )*};
}

values! {
    bool: &[1], slot, row, this => slot.put_number(row, u8::from(this));
    &str: &[TEXT], slot, row, this => slot.put_text(row, this.as_bytes());
    String: &[TEXT], slot, row, this => slot.put_text(row, this.as_bytes());
    Vec<u8>: &[BYTEA], slot, row, this => slot.put_text(row, &this);
}

impl<T: Value> Value for Option<T> {
    const CODES: &'static [u32] = T::CODES;
    fn put(self, slot: &mut Slot, row: usize) {
        match self {
            Some(value) => value.put(slot, row),
            None => slot.put_null(row),
        }
    }
}

impl<T: Value> Outcome for Option<T> {
    type Value = Self;
    fn outcome(self) -> Result<Self, String> {
        Ok(self)
    }
}

impl<T: Value, E: Display> Outcome for Result<T, E> {
    type Value = T;
    fn outcome(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

macro_rules! rows {
    ($(($($value:ident $number:tt),*) = $count:literal;)*) => {$(
        impl<$($value: Value),*> Row for ($($value,)*) {
            const COLUMNS: u32 = $count;
            fn put(self, slots: &mut [Slot], row: usize) {
                $(self.$number.put(&mut slots[$number], row);)*
            }
            fn mismatch(slots: &[Slot]) -> Option<usize> {
                $(if !$value::CODES.contains(&slots[$number].code) {
                    return Some($number);
                })*
                None
            }
        }
    )*};
}

rows! {
    (A 0) = 1;
    (A 0, B 1) = 2;
    (A 0, B 1, C 2) = 3;
    (A 0, B 1, C 2, D 3) = 4;
    (A 0, B 1, C 2, D 3, E 4) = 5;
    (A 0, B 1, C 2, D 3, E 4, F 5) = 6;
}
