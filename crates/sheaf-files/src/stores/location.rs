//! From the text of a path to the place it means.
//!
//! A [`Location`] keeps the user's own text for messages, and says which store holds it and where
//! in that store. Keys of buckets are taken literally, as their own command-line programs do;
//! `file://` and `http(s)://` URLs are percent-decoded. Globs are kept as they are: listing is
//! another module's work.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use sheaf_base::suggest::nearest;
use sheaf_base::{Result, SheafError};
use url::Url;

use super::beneath::Root;
use super::{Environment, SCHEMES, SchemeDecl, StoreKind, variable};

/// Characters that make a path a pattern.
const GLOB_CHARACTERS: &[char] = &['*', '?', '[', '{'];

/// A place in a store, as a user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// What the user wrote.
    pub text: String,
    /// Its scheme (`file` for plain paths).
    pub scheme: &'static SchemeDecl,
    /// The key of its store in the engine's registry; two buckets, hosts, ports or accounts never
    /// share one. Scheme and authority only.
    pub store_url: ObjectStoreUrl,
    /// The place in the store: not encoded, no slash in front; globs as written. A slash at the
    /// end is kept: it says "directory".
    pub path: String,
    /// The Azure account, when the URL names one.
    pub(crate) account: Option<String>,
    /// The bucket, container, or empty.
    pub(crate) bucket: String,
    /// The directory that the path cannot lead out of, if there is one.
    pub(crate) root: Option<Arc<Root>>,
}

impl Location {
    /// The same place in the local file system; `None` for remote stores.
    #[must_use]
    pub fn local_path(&self) -> Option<PathBuf> {
        (self.scheme.kind == StoreKind::Local).then(|| PathBuf::from(format!("/{}", self.path)))
    }

    /// The place as the store addresses it.
    ///
    /// # Errors
    /// `UserInput` if the store cannot hold such a name (`//` within it, control characters).
    pub fn object_path(&self) -> Result<object_store::path::Path> {
        object_store::path::Path::parse(&self.path)
            .map_err(|error| SheafError::user(format!("\"{}\" is not a path: {error}", self.text)))
    }

    /// The absolute URL, percent-encoded: what the engine below takes.
    ///
    /// # Errors
    /// `Internal` if the pieces do not make a URL.
    pub fn url(&self) -> Result<Url> {
        let mut url = self.store_url.as_str().trim_end_matches('/').to_owned();
        if self.scheme.kind == StoreKind::Local {
            url = "file://".to_owned();
        }
        url.push('/');
        url.push_str(&percent_encode(&self.path, "/*[]"));
        Url::parse(&url).map_err(|error| SheafError::internal(format!("{url}: {error}")))
    }

    /// Whether the path holds a glob's characters.
    #[must_use]
    pub fn has_glob(&self) -> bool {
        self.path.contains(GLOB_CHARACTERS)
    }

    /// The directory that holds all that the path can mean: the path itself if it is one, else what
    /// stands before its last name, or before its first glob.
    #[must_use]
    pub fn directory(&self) -> &str {
        let fixed = match self.path.find(GLOB_CHARACTERS) {
            Some(glob) => &self.path[..glob],
            None if self.is_directory_text() => return &self.path,
            None if self.local_path().is_some_and(|path| path.is_dir()) => return &self.path,
            None => self.path.as_str(),
        };
        fixed
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory)
    }

    /// Whether the store can list what it holds; web servers cannot.
    #[must_use]
    pub fn can_list(&self) -> bool {
        self.scheme.kind != StoreKind::Http
    }

    /// Whether the user wrote a slash at the end.
    #[must_use]
    pub fn is_directory_text(&self) -> bool {
        self.path.is_empty() || self.path.ends_with('/')
    }
}

/// What `text` means: a URL of a known scheme, or a path of this machine, relative to
/// `base_directory`; a leading `~` is the variable `HOME`.
///
/// # Errors
/// `UserInput` for an unknown scheme, a URL without a bucket or host, and for what web servers
/// cannot do (globs).
pub fn locate(text: &str, base_directory: &Path, environment: Environment<'_>) -> Result<Location> {
    if text.is_empty() {
        return Err(SheafError::user("a path is empty"));
    }
    let Some((scheme, rest)) = split_scheme(text) else {
        return locate_local(text, text, base_directory, environment);
    };
    let lower = scheme.to_ascii_lowercase();
    let decl = SCHEMES
        .iter()
        .find(|decl| decl.name == lower)
        .ok_or_else(|| unknown(text, &lower))?;
    match decl.kind {
        StoreKind::Local => {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(SheafError::user(format!("\"{text}\" names a host"))
                    .with_hint("a file of this machine has three slashes: file:///path"));
            }
            locate_local(text, &percent_decode(path), base_directory, environment)
        }
        StoreKind::S3 | StoreKind::Gcs => locate_bucket(text, decl, rest),
        StoreKind::Azure => locate_azure(text, decl, rest),
        StoreKind::Http => locate_http(text, decl),
        // No scheme that can be written has it.
        StoreKind::Beneath => Err(unknown(text, &lower)),
    }
}

/// `("s3", "bucket/key")` of `s3://bucket/key`; `None` if the text is a plain path.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then_some((scheme, rest))
}

fn unknown(text: &str, scheme: &str) -> SheafError {
    let names: Vec<&str> = SCHEMES.iter().map(|decl| decl.name).collect();
    let list = format!("the known ones are {}", names.join(", "));
    let hint = match nearest(scheme, names.iter().copied()) {
        Some(name) => format!("did you mean {name}://? {list}"),
        None => list,
    };
    SheafError::user(format!("\"{text}\" has an unknown scheme: {scheme}")).with_hint(hint)
}

fn locate_local(
    text: &str,
    path: &str,
    base_directory: &Path,
    environment: Environment<'_>,
) -> Result<Location> {
    let path = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = variable(environment, "HOME").ok_or_else(|| {
                SheafError::user(format!("\"{text}\": there is no home directory"))
                    .with_hint("set HOME, or write the path without ~")
            })?;
            format!("{home}{rest}")
        }
        _ => path.to_owned(),
    };
    let is_directory = path.ends_with(['/']) || path.ends_with("/.") || path == ".";
    let absolute = resolve_dots(&base_directory.join(&path));
    let Some(absolute) = absolute.to_str() else {
        return Err(SheafError::unsupported(format!(
            "the directory of \"{text}\" is not named in UTF-8"
        )));
    };
    let mut path = absolute.trim_start_matches('/').to_owned();
    if is_directory && !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    Ok(Location {
        text: text.to_owned(),
        scheme: &SCHEMES[0],
        store_url: ObjectStoreUrl::local_filesystem(),
        path,
        account: None,
        bucket: String::new(),
        root: None,
    })
}

/// The path without `.`, `..` and doubled slashes. What stands before a `..` may be a link, so the
/// file system is asked where it leads.
fn resolve_dots(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::ParentDir => {
                if let Ok(canonical) = resolved.canonicalize() {
                    resolved = canonical;
                }
                resolved.pop();
            }
            Component::Normal(name) => resolved.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved
}

fn locate_bucket(text: &str, decl: &'static SchemeDecl, rest: &str) -> Result<Location> {
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    remote(text, decl, bucket, bucket, None, path)
}

/// `container/blob`, or `container@account.dfs.core.windows.net/blob`. The engine keys stores by
/// host alone, so container and account both go into the host.
fn locate_azure(text: &str, decl: &'static SchemeDecl, rest: &str) -> Result<Location> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    match authority.split_once('@') {
        None => remote(text, decl, authority, authority, None, path),
        Some((container, host)) => {
            let account = host.split('.').next().unwrap_or_default();
            if account.is_empty() {
                return Err(SheafError::user(format!("\"{text}\" names no account")));
            }
            let key = format!("{container}.{account}");
            remote(text, decl, container, &key, Some(account.to_owned()), path)
        }
    }
}

fn remote(
    text: &str,
    decl: &'static SchemeDecl,
    bucket: &str,
    host: &str,
    account: Option<String>,
    path: &str,
) -> Result<Location> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    if bucket.is_empty() || !bucket.chars().all(is_name) {
        return Err(SheafError::user(format!("\"{text}\" names no bucket"))
            .with_hint(format!("write {}://bucket/path", decl.name)));
    }
    let url = format!("{}://{host}", decl.canonical);
    Ok(Location {
        text: text.to_owned(),
        scheme: decl,
        store_url: parse_store_url(text, &url)?,
        path: path.to_owned(),
        account,
        bucket: bucket.to_owned(),
        root: None,
    })
}

fn locate_http(text: &str, decl: &'static SchemeDecl) -> Result<Location> {
    let url = Url::parse(text)
        .map_err(|error| SheafError::user(format!("\"{text}\" is not a URL: {error}")))?;
    let decoded = percent_decode(url.path());
    if decoded.contains(['*', '[', '{']) || url.query() == Some("") {
        return Err(
            SheafError::user(format!("\"{text}\": a web server cannot list its files"))
                .with_hint("name each file: FROM read_csv(['https://…/a.csv', 'https://…/b.csv'])"),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SheafError::unsupported(format!(
            "\"{text}\": a URL with a query (?…) or fragment (#…) cannot be read"
        ))
        .with_hint("download the file first, or read it through s3://, gs:// or az://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SheafError::unsupported(
            "a password in a URL cannot be used",
        ));
    }
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    Ok(Location {
        text: text.to_owned(),
        scheme: decl,
        store_url: parse_store_url(text, &format!("{}://{authority}", decl.canonical))?,
        path: decoded.trim_start_matches('/').to_owned(),
        account: None,
        bucket: String::new(),
        root: None,
    })
}

fn parse_store_url(text: &str, url: &str) -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(url)
        .map_err(|error| SheafError::user(format!("\"{text}\" is not a URL: {error}")))
}

/// `text` with every byte but letters, digits, `-_.~` and those in `kept` written as `%XX`.
/// Letters beyond ASCII stay.
#[must_use]
pub fn percent_encode(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_plain =
            c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~') || kept.contains(c);
        if is_plain {
            out.push(c);
        } else {
            let mut bytes = [0_u8; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    out
}

/// `text` with each `%XX` replaced by its byte; what is not UTF-8 afterwards stays encoded.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes
            .get(at + 1..at + 3)
            .and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = pair
            .filter(|hex| bytes[at] == b'%' && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = byte {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}
