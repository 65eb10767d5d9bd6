//! The squares of 0 to 999, plain and compressed four ways.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use async_compression::tokio::write::{BzEncoder, GzipEncoder, XzEncoder, ZstdEncoder};
use futures::executor::block_on;
use sheaf::Result;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::write_file;

const NUMBERS: Range<u64> = 0..1_000;

/// The codecs by their file extension.
pub(super) static CODECS: &[(&str, Codec)] =
    &[("gz", gzip), ("zst", zstd), ("bz2", bzip2), ("xz", xz)];

/// From plain bytes to compressed ones.
pub(super) type Codec = fn(&[u8]) -> Result<Vec<u8>>;

pub(super) fn write(folder: &Path) -> Result<()> {
    let (csv, jsonl) = (squares_csv(NUMBERS), squares_jsonl());
    for (name, text) in [("squares.csv", &csv), ("squares.jsonl", &jsonl)] {
        write_file(folder, name, text)?;
        for (extension, codec) in CODECS {
            write_file(
                folder,
                &format!("{name}.{extension}"),
                codec(text.as_bytes())?,
            )?;
        }
    }
    write_file(folder, "glob/squares_0.csv", squares_csv(0..334))?;
    write_file(
        folder,
        "glob/squares_1.csv.gz",
        gzip(squares_csv(334..667).as_bytes())?,
    )?;
    write_file(
        folder,
        "glob/squares_2.csv.zst",
        zstd(squares_csv(667..1_000).as_bytes())?,
    )
}

fn squares_csv(ids: Range<u64>) -> String {
    let mut text = String::from("id,square\n");
    for id in ids {
        let _ = writeln!(text, "{id},{}", id * id);
    }
    text
}

fn squares_jsonl() -> String {
    let mut text = String::new();
    for id in NUMBERS {
        let _ = writeln!(text, r#"{{"id": {id}, "square": {}}}"#, id * id);
    }
    text
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encode(&mut encoder, bytes)?;
    Ok(encoder.into_inner())
}

fn zstd(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = ZstdEncoder::new(Vec::new());
    encode(&mut encoder, bytes)?;
    Ok(encoder.into_inner())
}

fn bzip2(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = BzEncoder::new(Vec::new());
    encode(&mut encoder, bytes)?;
    Ok(encoder.into_inner())
}

fn xz(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = XzEncoder::new(Vec::new());
    encode(&mut encoder, bytes)?;
    Ok(encoder.into_inner())
}

/// Writes into memory, so nothing ever waits.
fn encode(encoder: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<()> {
    block_on(async {
        encoder.write_all(bytes).await?;
        encoder.shutdown().await
    })?;
    Ok(())
}
