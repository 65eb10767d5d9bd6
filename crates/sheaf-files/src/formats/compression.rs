//! Compressions of whole text files, and the names that tell them.

/// Compression of a whole text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Compression {
    #[default]
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    const SUFFIXES: &[(&str, Compression)] = &[
        (".gz", Compression::Gzip),
        (".gzip", Compression::Gzip),
        (".zst", Compression::Zstd),
        (".zstd", Compression::Zstd),
        (".bz2", Compression::Bzip2),
        (".xz", Compression::Xz),
    ];

    /// The compression that a file's name tells, and the name without its suffix.
    pub(crate) fn of_file(name: &str) -> (Self, &str) {
        let lower = name.to_ascii_lowercase();
        for (suffix, compression) in Self::SUFFIXES {
            if lower.ends_with(suffix) {
                return (*compression, &name[..name.len() - suffix.len()]);
            }
        }
        (Self::None, name)
    }

    /// The compression called `name`; `None` if there is none of this name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "none" | "uncompressed" => Some(Self::None),
            "gzip" | "gz" => Some(Self::Gzip),
            "zstd" | "zst" => Some(Self::Zstd),
            "bzip2" | "bz2" => Some(Self::Bzip2),
            "xz" | "lzma" => Some(Self::Xz),
            _ => None,
        }
    }
}
