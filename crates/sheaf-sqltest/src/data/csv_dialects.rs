//! CSV: the same small table in every dialect, and values that are easily misread.

use std::path::Path;

use sheaf::Result;

use super::write_file;

const SIMPLE: &str = "a,b,c\n1,x,1.5\n2,y,2.5\n3,z,3.5\n";

pub(super) fn write(folder: &Path) -> Result<()> {
    let body = SIMPLE.split_once('\n').map_or("", |(_, body)| body);
    write_file(folder, "simple.csv", SIMPLE)?;
    write_file(folder, "crlf.csv", SIMPLE.replace('\n', "\r\n"))?;
    write_file(folder, "bom.csv", format!("\u{feff}{SIMPLE}"))?;
    write_file(folder, "no_newline.csv", SIMPLE.trim_end())?;
    write_file(folder, "semicolon.csv", SIMPLE.replace(',', ";"))?;
    write_file(folder, "tab.tsv", SIMPLE.replace(',', "\t"))?;
    write_file(folder, "pipe.psv", SIMPLE.replace(',', "|"))?;
    write_file(folder, "noheader.csv", body)?;
    write_file(folder, "latin1.csv", b"id,text\n1,abc\n2,caf\xe9\n")?;
    for (name, text) in VALUES {
        write_file(folder, name, text)?;
    }
    Ok(())
}

const VALUES: &[(&str, &str)] = &[
    (
        "quoted.csv",
        "id,text\n1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n3,\"two\nlines\"\n4,\"\"\n",
    ),
    ("empty.csv", ""),
    ("header_only.csv", "a,b,c\n"),
    (
        "comments.csv",
        "# note\na,b,c\n1,x,1.5\n# more\n2,y,2.5\n3,z,3.5\n",
    ),
    ("single_quotes.csv", "id,text\n1,'a,b'\n"),
    ("escaped.csv", "id,text\n1,\"say \\\"hi\\\"\"\n"),
    ("nulls.csv", "id,a,b\n1,,x\n2,NA,\n3,7,NULL\n"),
    (
        "dates.csv",
        "id,day,at,ok\n1,2024-02-29,2024-02-29 12:34:56,true\n\
         2,1999-12-31,1999-12-31 23:59:59.5,false\n3,,,\n",
    ),
    ("leading_zero.csv", "id,zip\n1,01234\n2,98765\n"),
    ("unicode.csv", "id,naïve\n1,zß水\n2,😀\n"),
];
