// Functions in AssemblyScript: a plain one, one that asserts, and one over texts.

export function score(x: f64, y: f64): f64 {
  return x * 2 + y;
}

export function root(x: f64): f64 {
  assert(x >= 0, "root of a negative number");
  return Math.sqrt(x);
}

@unmanaged
class Column {
  type: u32;
  parameter: u32;
  rows: u32;
  validity: usize;
  values: usize;
  bytes: u32;
  offsets: usize;
  children: usize;
}

export function sheaf_alloc(bytes: u32): usize {
  return heap.alloc(bytes);
}

export function sheaf_free(address: usize, _bytes: u32): void {
  heap.free(address);
}

let kept: StaticArray<u8> = new StaticArray<u8>(0);

/** The letters of a text from its end to its beginning. */
export function mirrored_batch(rows: u32, columns: Column, result: Column): usize {
  let texts: string[] = [];
  let total = 0;
  for (let row: u32 = 0; row < rows; row++) {
    const start = load<u32>(columns.offsets + row * 4);
    const end = load<u32>(columns.offsets + row * 4 + 4);
    const text = String.UTF8.decodeUnsafe(columns.values + start, end - start);
    const mirrored = text.split("").reverse().join("");
    texts.push(mirrored);
    total += String.UTF8.byteLength(mirrored);
    store<u32>(result.offsets + row * 4 + 4, total);
    if (columns.validity != 0 && !load<u8>(columns.validity + row)) store<u8>(result.validity + row, 0);
  }
  kept = new StaticArray<u8>(total);
  let at = changetype<usize>(kept);
  for (let row = 0; row < texts.length; row++) {
    const bytes = String.UTF8.byteLength(texts[row]);
    String.UTF8.encodeUnsafe(changetype<usize>(texts[row]), texts[row].length, at);
    at += bytes;
  }
  result.values = changetype<usize>(kept);
  result.bytes = total;
  return 0;
}
