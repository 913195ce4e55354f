//! The arguments by which a command reaches a running hub, and shows who calls.
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use http::Uri;

use super::{BadConfig, exit};

/// The address of a hub, unless another is given.
const USUAL: &str = "127.0.0.1:50051";

/// A running hub.
#[derive(Debug, Args)]
pub struct Target {
    /// Its address: `https://HOST:PORT`, `http://HOST:PORT` or `HOST:PORT`. The last means `https`, but for a host
    /// that is this machine (`localhost`, `127.0.0.1`, `::1`) when neither `--ca` nor `--cert` is given [default:
    /// 127.0.0.1:50051].
    #[arg(long, env = "SHAREHUB_TARGET")]
    pub target: Option<String>,
    /// The CA that has issued the hub's certificate (PEM) [default: the CAs that this machine trusts].
    #[arg(long, env = "SHAREHUB_CA")]
    pub ca: Option<PathBuf>,
}

impl Target {
    /// The address as a URL; whether the caller shows a certificate decides where no scheme is given.
    pub fn url(&self, is_certified: bool) -> Result<Uri, BadConfig> {
        let given = self.target.as_deref().filter(|it| !it.is_empty()).unwrap_or(USUAL);
        let must = |rule: &str| BadConfig { key: "target", must: rule.to_owned() };
        let rule = "be https://HOST:PORT, http://HOST:PORT or HOST:PORT";
        let text = match given.contains("://") {
            true => given.to_owned(),
            false => format!("https://{given}"),
        };
        let uri: Uri = text.parse().map_err(|_| must(rule))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(must(rule));
        };
        let is_bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if !matches!(scheme, "http" | "https") || !is_bare || authority.as_str().contains('@') {
            return Err(must(rule));
        }
        if given.contains("://") {
            if scheme == "http" && self.ca.is_some() {
                let rule = "begin with https://, since a CA is given";
                return Err(must(rule));
            }
            return Ok(uri);
        }
        if authority.port_u16().is_none() {
            return Err(must(rule));
        }
        let is_plain = is_this_machine(authority.host()) && self.ca.is_none() && !is_certified;
        let scheme = if is_plain { "http" } else { "https" };
        format!("{scheme}://{authority}").parse().map_err(|_| must(rule))
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// A running hub, and who calls it.
#[derive(Debug, Args)]
pub struct As {
    /// The hub.
    #[command(flatten)]
    pub target: Target,
    /// The key of the calling system. It can be seen in the list of processes: `--key-file` or the environment hide it.
    #[arg(long, env = "SHAREHUB_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// A file with the key of the calling system; it goes before `--key`.
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// The certificate of the calling system (PEM).
    #[arg(long, env = "SHAREHUB_CERT", requires = "cert_key")]
    pub cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "SHAREHUB_CERT_KEY", requires = "cert")]
    pub cert_key: Option<PathBuf>,
    /// What the data is used for: by which of its agreements the hub is to answer.
    #[arg(long, env = "SHAREHUB_PURPOSE")]
    pub purpose: Option<String>,
}

impl As {
    /// The key of the caller. None for one that shows a certificate only.
    pub fn key(&self) -> Result<Option<String>, BadConfig> {
        if let Some(path) = &self.key_file {
            let key = String::from_utf8(read_file("key_file", path)?).unwrap_or_default();
            let key = key.trim();
            if key.is_empty() || key.contains(char::is_whitespace) {
                let must = format!("name a file with one key in it: {}", path.display());
                return Err(BadConfig { key: "key_file", must });
            }
            return Ok(Some(key.to_owned()));
        }
        let key = self.key.clone().filter(|it| !it.is_empty());
        if key.is_none() && self.cert.is_none() {
            let must = "be given, by --key, --key-file or SHAREHUB_KEY; or a certificate, by --cert and --cert-key";
            return Err(BadConfig { key: "key", must: must.to_owned() });
        }
        Ok(key)
    }
}

/// Reads a file that an argument names.
pub fn read_file(key: &'static str, path: &Path) -> Result<Vec<u8>, BadConfig> {
    fs::read(path).map_err(|err| {
        let must = format!("name a file that can be read: {}: {err}", path.display());
        BadConfig { key, must }
    })
}

/// A call.
#[derive(Debug, Args)]
#[command(after_help = exit::HELP)]
pub struct Call {
    /// The hub, and the caller.
    #[command(flatten)]
    pub by: As,
    /// Print the services and their methods, and call nothing.
    #[arg(long, conflicts_with_all = ["describe", "method"])]
    pub list: bool,
    /// Print the fields, types and comments of a method, message, enum or service, and call nothing.
    #[arg(long, value_name = "NAME", conflicts_with = "method")]
    pub describe: Option<String>,
    /// The method, such as `IndicatorService/GetSnapshot`.
    #[arg(required_unless_present_any = ["list", "describe"])]
    pub method: Option<String>,
    /// The message as JSON; `@FILE` reads it from a file, `-` from standard input [default: `{}`]. A method that
    /// takes a stream reads a message from each line [default: `-`].
    pub message: Option<String>,
}
