//! Functions over plain numbers: `double score(double x, double y)` as any compiler exports it.
//!
//! Calling one from here for each row would cost more than it computes. What is called is a module made
//! for its types, whose one function loops over the columns and calls it: from WebAssembly to WebAssembly
//! that is a plain call. The columns lie in a memory of that module's own, which the function cannot see.
//!
//! Such functions know no NULL: they are called for rows without.

use arrow::datatypes::DataType;
use wasmtime::{FuncType, ValType};

/// What the loop exports as its function of many rows.
pub(crate) const BATCH: &str = "batch";
/// The exported global that holds the row at which the loop is.
pub(crate) const ROW: &str = "row";

/// How a plain value is called with and stored.
struct Plain {
    value: &'static str,
    load: &'static str,
    store: &'static str,
    bytes: usize,
}

impl Plain {
    fn of(data_type: &DataType) -> Option<Self> {
        let plain = |value, load, store, bytes| {
            Some(Self {
                value,
                load,
                store,
                bytes,
            })
        };
        match data_type {
            DataType::Boolean | DataType::UInt8 => plain("i32", "i32.load8_u", "i32.store8", 1),
            DataType::Int8 => plain("i32", "i32.load8_s", "i32.store8", 1),
            DataType::Int16 => plain("i32", "i32.load16_s", "i32.store16", 2),
            DataType::UInt16 => plain("i32", "i32.load16_u", "i32.store16", 2),
            DataType::Int32 | DataType::UInt32 | DataType::Date32 => {
                plain("i32", "i32.load", "i32.store", 4)
            }
            DataType::Int64 | DataType::UInt64 | DataType::Time64(_) | DataType::Timestamp(..) => {
                plain("i64", "i64.load", "i64.store", 8)
            }
            DataType::Float32 => plain("f32", "f32.load", "f32.store", 4),
            DataType::Float64 => plain("f64", "f64.load", "f64.store", 8),
            _ => None,
        }
    }
}

/// What a function over these types is in WebAssembly: `(f64, f64) -> f64`; `None` if some are not plain.
pub(crate) fn signature(parameters: &[DataType], returns: &DataType) -> Option<String> {
    let parameters: Option<Vec<&str>> = parameters
        .iter()
        .map(|parameter| Some(Plain::of(parameter)?.value))
        .collect();
    let returns = Plain::of(returns)?.value;
    Some(format!("({}) -> {returns}", parameters?.join(", ")))
}

/// The same of a function that there is.
pub(crate) fn signature_of(function: &FuncType) -> String {
    let list = |types: &mut dyn Iterator<Item = ValType>| {
        let names: Vec<String> = types.map(|value| value.to_string()).collect();
        names.join(", ")
    };
    let parameters = list(&mut function.params());
    format!("({parameters}) -> {}", list(&mut function.results()))
}

/// The text of the module that calls a function of these types for each row; `None` if some are not
/// plain. It exports [`BATCH`] and what goes with it, as a guest of many rows does.
pub(crate) fn wrapper(parameters: &[DataType], returns: &DataType) -> Option<String> {
    let plain: Option<Vec<Plain>> = parameters.iter().map(Plain::of).collect();
    let (plain, result) = (plain?, Plain::of(returns)?);
    let (mut types, mut locals, mut begin, mut loads, mut step) = (
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    );
    for (
        number,
        Plain {
            value, load, bytes, ..
        },
    ) in plain.iter().enumerate()
    {
        // A descriptor is 32 bytes, of which 16 come before the address of the values.
        let at = 32 * number + 16;
        types += &format!(" (param {value})");
        locals += &format!(" (local $a{number} i32)");
        begin += &format!("(local.set $a{number} (i32.load offset={at} (local.get $columns)))\n");
        loads += &format!(" ({load} (local.get $a{number}))");
        step += &format!(
            "(local.set $a{number} (i32.add (local.get $a{number}) (i32.const {bytes})))\n"
        );
    }
    let Plain {
        value,
        store,
        bytes,
        ..
    } = result;
    let result = match returns {
        // Whatever is not 0 is true.
        DataType::Boolean => format!("(i32.ne (i32.const 0) (call $function{loads}))"),
        _ => format!("(call $function{loads})"),
    };
    Some(format!(
        r#"(module
  (import "guest" "function" (func $function{types} (result {value})))
  (memory (export "memory") 1)
  (global $row (export "{ROW}") (mut i32) (i32.const 0))
  (func (export "{BATCH}") (param $rows i32) (param $columns i32) (param $result i32) (result i32)
    (local $row i32) (local $to i32){locals}
    (if (i32.eqz (local.get $rows)) (then (return (i32.const 0))))
    (local.set $to (i32.load offset=16 (local.get $result)))
    {begin}
    (loop $next
      (global.set $row (local.get $row))
      ({store} (local.get $to) {result})
      {step}
      (local.set $to (i32.add (local.get $to) (i32.const {bytes})))
      (br_if $next (i32.lt_u
        (local.tee $row (i32.add (local.get $row) (i32.const 1)))
        (local.get $rows))))
    (i32.const 0))
  (func (export "sheaf_alloc") (param $bytes i32) (result i32)
    (local $pages i32)
    (local.set $pages (i32.sub
      (i32.shr_u (i32.add (local.get $bytes) (i32.const 131071)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $pages) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1))
        (then (return (i32.const 0))))))
    (i32.const 16))
  (func (export "sheaf_free") (param i32 i32)))"#
    ))
}
