//! The declared options of `COPY … TO`: one row an option, in the order of the documentation.

use sheaf_base::ByteCount;

use super::{CopyOptionDecl, Existing};
use crate::copy::encode::{
    ArrowCompression, AvroCompression, CsvEncoding, Encoding, ParquetCompression, TextCompression,
};

const TEXT: &[&str] = &["csv", "tsv"];
const COMPRESSED: &[&str] = &["csv", "tsv", "json", "parquet", "arrow", "arrows", "avro"];
const LEVELED: &[&str] = &["csv", "tsv", "json", "parquet"];

/// Every option, in the order of the documentation. FORMAT, read first, is not here.
pub static COPY_OPTIONS: &[CopyOptionDecl] = &[
    CopyOptionDecl {
        name: "overwrite",
        aliases: &["overwrite_or_ignore"],
        formats: &[],
        doc: "replace the files of the directory, when all new ones are written",
        apply: |_, files, text| {
            if text.boolean()? {
                files.set_existing(Existing::Overwrite)?;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "append",
        aliases: &[],
        formats: &[],
        doc: "add files to the directory, under new names",
        apply: |_, files, text| {
            if text.boolean()? {
                files.set_existing(Existing::Append)?;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "partition_by",
        aliases: &["partitioned_by"],
        formats: &[],
        doc: "columns whose values name directories (key=value), as PARTITIONED BY",
        apply: |_, files, text| {
            files.partition_columns.extend(text.names());
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "write_partition_columns",
        aliases: &["keep_partition_by_columns"],
        formats: &[],
        doc: "files keep the columns of partition_by too",
        apply: |_, files, text| {
            files.write_partition_columns = text.boolean()?;
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "per_thread_output",
        aliases: &[],
        formats: &[],
        doc: "in a directory, a file for every thread (the default) or one file",
        apply: |_, files, text| {
            files.per_thread_output = Some(text.boolean()?);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "single_file",
        aliases: &["single_file_output"],
        formats: &[],
        doc: "exactly one file of the given name, whatever its extension",
        apply: |_, files, text| {
            files.single_file = Some(text.boolean()?);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "file_size_bytes",
        aliases: &["file_size"],
        formats: &[],
        doc: "in a directory, begin another file at about this size (256MB)",
        apply: |_, files, text| {
            files.file_bytes_max = Some(text.value.parse::<ByteCount>()?.0.max(1));
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "header",
        aliases: &[],
        formats: TEXT,
        doc: "the first line has the column names (true)",
        apply: |encoding, _, text| {
            let header = text.boolean()?;
            csv(encoding, |options| options.header = header);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "delimiter",
        aliases: &["delim", "sep"],
        formats: TEXT,
        doc: "the character between two values (,)",
        apply: |encoding, _, text| {
            let delimiter = text
                .character()?
                .ok_or_else(|| text.wrong("one character"))?;
            csv(encoding, |options| options.delimiter = delimiter);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "quote",
        aliases: &[],
        formats: TEXT,
        doc: "the character around values that need it (\"); empty for none",
        apply: |encoding, _, text| {
            let quote = text.character()?;
            csv(encoding, |options| options.quote = quote);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "escape",
        aliases: &[],
        formats: TEXT,
        doc: "the character before a quote within quotes (the quote itself)",
        apply: |encoding, _, text| {
            let escape = text.character()?;
            csv(encoding, |options| options.escape = escape);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "null",
        aliases: &["nullstr", "null_value", "null_string"],
        formats: TEXT,
        doc: "the text of a null (nothing)",
        apply: |encoding, _, text| {
            let null = text.value.to_owned();
            csv(encoding, |options| options.null = null);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "force_quote",
        aliases: &[],
        formats: TEXT,
        doc: "quote every value that is not null (false)",
        apply: |encoding, _, text| {
            let force = text.value == "*" || text.boolean()?;
            csv(encoding, |options| options.force_quote = force);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "date_format",
        aliases: &["dateformat"],
        formats: TEXT,
        doc: "strftime format of dates (%Y-%m-%d)",
        apply: |encoding, _, text| {
            let format = Some(text.value.to_owned());
            csv(encoding, |options| options.date_format = format);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "timestamp_format",
        aliases: &["timestampformat"],
        formats: TEXT,
        doc: "strftime format of timestamps",
        apply: |encoding, _, text| {
            let format = Some(text.value.to_owned());
            csv(encoding, |options| options.timestamp_format = format);
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "array",
        aliases: &[],
        formats: &["json"],
        doc: "one array of objects instead of one object a line (false)",
        apply: |encoding, _, text| {
            let is_array = text.boolean()?;
            if let Encoding::Json(options) = encoding {
                options.is_array = is_array;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "compression",
        aliases: &["codec"],
        formats: COMPRESSED,
        doc: "csv, json: none, gzip, zstd, bzip2, xz; parquet: zstd (default), snappy, lz4, gzip, \
              brotli, none; arrow: none, lz4, zstd; avro: deflate (default), snappy, zstd, bzip2, \
              xz, none",
        apply: |encoding, _, text| {
            match encoding {
                Encoding::Csv(options) => {
                    options.compression = TextCompression::from_name(text.value)?;
                }
                Encoding::Json(options) => {
                    options.compression = TextCompression::from_name(text.value)?;
                }
                Encoding::Parquet(options) => {
                    options.compression = ParquetCompression::from_name(text.value)?;
                }
                Encoding::Arrow(options) => {
                    options.compression = ArrowCompression::from_name(text.value)?;
                }
                Encoding::Avro(options) => {
                    options.compression = AvroCompression::from_name(text.value)?;
                }
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "compression_level",
        aliases: &[],
        formats: LEVELED,
        doc: "how hard to compress, in the compression's own numbers",
        apply: |encoding, _, text| {
            let level = Some(text.number::<i32>("a whole number")?);
            match encoding {
                Encoding::Csv(options) => options.compression_level = level,
                Encoding::Json(options) => options.compression_level = level,
                Encoding::Parquet(options) => options.compression_level = level,
                Encoding::Arrow(_) | Encoding::Avro(_) => {}
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "row_group_size",
        aliases: &["max_row_group_size"],
        formats: &["parquet"],
        doc: "most rows of a row group (122880)",
        apply: |encoding, _, text| {
            let rows = text
                .number::<std::num::NonZeroUsize>("a number of rows above 0")?
                .get();
            if let Encoding::Parquet(options) = encoding {
                options.row_group_rows_max = rows;
            }
            Ok(())
        },
    },
    CopyOptionDecl {
        name: "row_group_size_bytes",
        aliases: &[],
        formats: &["parquet"],
        doc: "most bytes of a row group (128MiB)",
        apply: |encoding, _, text| {
            let bytes = text.value.parse::<ByteCount>()?.as_usize().max(1);
            if let Encoding::Parquet(options) = encoding {
                options.row_group_bytes_max = bytes;
            }
            Ok(())
        },
    },
];

fn csv(encoding: &mut Encoding, set: impl FnOnce(&mut CsvEncoding)) {
    if let Encoding::Csv(options) = encoding {
        set(options);
    }
}
