//! The checks of settings: each reads text, or says what the text must be. A secret is not repeated.
use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use jsonwebtoken::Algorithm;
use tracing_subscriber::filter::Targets;

use crate::{
    caller::token::ALGORITHMS,
    personal::vault::{DataKeys, Vault},
};

/// A setting that may be none. clap takes `Option` itself for an argument that may be left out, which each one may:
/// here text that is empty, in any layer, means none.
pub(super) type Maybe<T> = Option<T>;

/// What a check returns: a value, or what the text must be.
type CheckResult<T> = Result<T, String>;

/// A check of text that may be empty, for none.
pub(super) fn maybe<T: 'static>(
    check: impl Fn(&str) -> CheckResult<T> + Clone + Send + Sync + 'static,
) -> impl Fn(&str) -> CheckResult<Maybe<T>> + Clone + Send + Sync + 'static {
    move |text| if text.is_empty() { Ok(None) } else { check(text).map(Some) }
}

/// A whole number within bounds.
pub(super) fn within(
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> CheckResult<u32> + Clone + Send + Sync + 'static {
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => {
            let (from, to) = (range.start(), range.end());
            Err(format!("be a whole number from {from} to {to}, not `{text}`"))
        }
    }
}

pub(super) fn text(text: &str) -> CheckResult<String> {
    Ok(text.to_owned())
}

pub(super) fn path(text: &str) -> CheckResult<PathBuf> {
    Ok(PathBuf::from(text))
}

/// A file that is made where it is not: its folder must be there.
pub(super) fn file_to_make(text: &str) -> CheckResult<PathBuf> {
    let path = PathBuf::from(text);
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    match folder.is_none_or(Path::is_dir) {
        true => Ok(path),
        false => Err("name a file in a folder that exists".to_owned()),
    }
}

pub(super) fn truth(text: &str) -> CheckResult<bool> {
    match text {
        "" | "false" => Ok(false),
        "true" => Ok(true),
        other => Err(format!("be `true` or `false`, not `{other}`")),
    }
}

pub(super) fn address(text: &str) -> CheckResult<SocketAddr> {
    let rule = || format!("be an address and a port such as 127.0.0.1:50051, not `{text}`");
    text.parse().map_err(|_| rule())
}

pub(super) fn store(text: &str) -> CheckResult<String> {
    let is_known = text.starts_with("sqlite:") || is_postgres(text);
    is_known
        .then(|| text.to_owned())
        .ok_or_else(|| "begin with sqlite:// or postgres://".to_owned())
}

pub(super) fn standby(text: &str) -> CheckResult<String> {
    let rule = "begin with postgres://, as `database_url` does";
    is_postgres(text).then(|| text.to_owned()).ok_or_else(|| rule.to_owned())
}

pub(super) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The keys of personal data: their text, or the file with it.
pub(super) fn data_keys(text: &str) -> CheckResult<Vault> {
    match text.trim_start().starts_with("current") {
        true => DataKeys::parse(text).and_then(|it| Vault::new(&it)),
        false => Vault::open_file(Path::new(text)),
    }
}

pub(super) fn algorithm(text: &str) -> CheckResult<Algorithm> {
    let known = ALGORITHMS.iter().find(|(name, _)| *name == text);
    known.map(|(_, it)| *it).ok_or_else(|| {
        let names = ALGORITHMS.map(|(name, _)| name).join(", ");
        format!("be one of {names}, not `{text}`")
    })
}

pub(super) fn log(text: &str) -> CheckResult<String> {
    let rule = |err| format!("be log directives such as `info`: {err}");
    text.parse::<Targets>().map(|_| text.to_owned()).map_err(rule)
}

pub(super) fn log_format(text: &str) -> CheckResult<super::LogFormat> {
    match text {
        "text" => Ok(super::LogFormat::Text),
        "json" => Ok(super::LogFormat::Json),
        other => Err(format!("be `text` or `json`, not `{other}`")),
    }
}

pub(super) fn url(text: &str) -> CheckResult<String> {
    let scheme = text.parse::<http::Uri>().ok().and_then(|it| it.scheme_str().map(str::to_owned));
    match scheme.as_deref() {
        Some("http" | "https") => Ok(text.to_owned()),
        Some(_) | None => Err("be a URL such as http://127.0.0.1:4317".to_owned()),
    }
}
