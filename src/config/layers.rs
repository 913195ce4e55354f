//! Reads the command line and the settings in layers: a flag wins over the environment, the environment over the file,
//! the file over the default.
//!
//! clap reads flags, the environment and defaults, and the values of the file take the place of the defaults. So a
//! setting is one field of one of the structs beside this file: its type, its name, its default and its check stand
//! there and nowhere else. `--call-ms` is `SHAREHUB_CALL_MS` in the environment and `call_ms` in the file. Empty text
//! in any layer means none, where a setting may have none.
use std::{
    collections::BTreeMap,
    error::Error,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use clap::{
    Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
    parser::ValueSource,
};

use super::{Cli, Settings};
use crate::bad_config::BadConfig;

/// A setting that only `serve` takes from the file: how the hub logs says nothing about how a command beside it does.
const OF_SERVE: (&str, &str) = ("log", "serve");

/// Why there is nothing to run.
#[derive(Debug)]
pub enum Unread {
    /// Help or the version was asked for, or the command line is not one.
    Usage(clap::Error),
    /// A setting cannot be used.
    Setting(String),
}

impl From<clap::Error> for Unread {
    fn from(err: clap::Error) -> Self {
        Self::Usage(err)
    }
}

/// How the user wrote what is set: `--call-ms`, `SHAREHUB_CALL_MS`, or `call_ms` and the file.
#[derive(Clone, Debug, Default)]
pub struct Written(BTreeMap<String, String>);

impl Written {
    /// Whether it was set at all.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// An error in words, with the setting's name as the user wrote it.
    pub fn explain(&self, err: &(dyn Error + 'static)) -> String {
        match err.downcast_ref::<BadConfig>() {
            None => err.to_string(),
            Some(BadConfig { key, must }) => match self.0.get(*key) {
                Some(written) => bad(written, must),
                None => err.to_string(),
            },
        }
    }

    fn new(command: &Command, matches: &ArgMatches, file: Option<&SettingsFile>) -> Self {
        let mut written = BTreeMap::new();
        for arg in command.get_arguments() {
            let id = arg.get_id().as_str();
            let name = match matches.value_source(id) {
                Some(ValueSource::CommandLine) => flag(arg).map(|it| quoted(&it)),
                Some(ValueSource::EnvVariable) => variable(arg).map(|it| quoted(&it)),
                Some(_) => file.filter(|it| it.values.contains_key(id)).map(|it| it.place(id)),
                None => None,
            };
            written.extend(name.map(|it| (id.to_owned(), it)));
        }
        Self(written)
    }
}

impl Cli {
    /// Reads the command line, the environment, and the file that one of them names.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, Unread> {
        let args: Vec<_> = args.into_iter().collect();
        let mut command = Self::command();
        let mut matches = parse(&command, &args)?;
        let file = SettingsFile::named(leaf(&command, &matches).1)?;
        if let Some(file) = &file {
            file.check()?;
            command = file.under(command, "");
            matches = parse(&command, &args)?;
        }
        let mut cli = Self::from_arg_matches(&matches)?;
        let (leaf, matches) = leaf(&command, &matches);
        cli.written = Written::new(leaf, matches, file.as_ref());
        Ok(cli)
    }
}

/// Reads the arguments. A setting that cannot be used is told by its name.
fn parse(command: &Command, args: &[OsString]) -> Result<ArgMatches, Unread> {
    command.clone().try_get_matches_from(args).map_err(|err| {
        let Some((arg, must)) = broken(&err) else { return Unread::Usage(err) };
        let name = flag(&arg);
        let is_it = |it: &OsString| it.to_string_lossy().split('=').next() == name.as_deref();
        let written = if args.iter().any(is_it) { name } else { variable(&arg) };
        Unread::Setting(bad(&quoted(&written.unwrap_or_default()), &must))
    })
}

/// The command that is run, and its part of what was read.
fn leaf<'a>(command: &'a Command, matches: &'a ArgMatches) -> (&'a Command, &'a ArgMatches) {
    match matches.subcommand() {
        None => (command, matches),
        Some((name, below)) => match command.find_subcommand(name) {
            None => (command, matches),
            Some(it) => leaf(it, below),
        },
    }
}

/// Every setting, as arguments without an environment.
fn settings() -> Command {
    Settings::augment_args(Command::new("settings").no_binary_name(true))
        .mut_args(|it| it.env(Resettable::Reset))
}

/// The setting whose value is refused by its own check, and the rule that the value breaks.
fn broken(err: &clap::Error) -> Option<(Arg, String)> {
    if err.kind() != ErrorKind::ValueValidation {
        return None;
    }
    let ContextValue::String(shown) = err.get(ContextKind::InvalidArg)? else { return None };
    let name = shown.strip_prefix("--")?.split([' ', '=', '[']).next()?;
    let all = Settings::augment_args(Command::new("settings"));
    let arg = all.get_arguments().find(|it| it.get_long() == Some(name))?;
    Some((arg.clone(), err.source()?.to_string()))
}

fn bad(written: &str, must: &str) -> String {
    format!("bad setting: {written} must {must}")
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

fn flag(arg: &Arg) -> Option<String> {
    arg.get_long().map(|it| format!("--{it}"))
}

fn variable(arg: &Arg) -> Option<String> {
    arg.get_env().map(|it| it.to_string_lossy().into_owned())
}

/// The file, as it was written: each setting's value as text.
struct SettingsFile {
    path: PathBuf,
    values: BTreeMap<String, String>,
}

impl SettingsFile {
    /// The file that a flag or the environment names.
    fn named(matches: &ArgMatches) -> Result<Option<Self>, Unread> {
        let Ok(Some(path)) = matches.try_get_one::<PathBuf>("config") else { return Ok(None) };
        let written = match matches.value_source("config") {
            Some(ValueSource::CommandLine) => "`--config`",
            Some(_) | None => "`SHAREHUB_CONFIG`",
        };
        Self::read(path, written).map(Some)
    }

    fn read(path: &Path, written: &str) -> Result<Self, Unread> {
        let wrong = |must: &str, why: String| {
            Unread::Setting(bad(written, &format!("{must}: {}: {why}", path.display())))
        };
        let text = fs::read_to_string(path)
            .map_err(|err| wrong("name a file that can be read", err.to_string()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|err| {
            // The line itself may hold a password: it is not repeated.
            let before = err.span().and_then(|it| text.get(..it.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            wrong("name a file of TOML", format!("line {line}: {}", err.message()))
        })?;
        let mut file = Self { path: path.to_owned(), values: BTreeMap::new() };
        for (key, value) in table {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(truth) => truth.to_string(),
                toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => {
                    let must = "be text, a whole number, true or false";
                    return Err(Unread::Setting(bad(&file.place(&key), must)));
                }
            };
            file.values.insert(key, text);
        }
        Ok(file)
    }

    /// Where a setting of it stands.
    fn place(&self, key: &str) -> String {
        format!("`{key}` in {}", self.path.display())
    }

    /// Checks all of it: also what another layer sets, or the command at hand does not need.
    fn check(&self) -> Result<(), Unread> {
        let all = settings();
        let known: Vec<_> = all
            .get_arguments()
            .map(|it| it.get_id().as_str().to_owned())
            .filter(|it| it != "config")
            .collect();
        for key in self.values.keys() {
            if !known.contains(key) {
                let must = format!("be one of the settings: {}", known.join(", "));
                return Err(Unread::Setting(bad(&self.place(key), &must)));
            }
        }
        let nothing: [OsString; 0] = [];
        match self.under(all, "serve").try_get_matches_from(nothing) {
            Ok(_) => Ok(()),
            Err(err) => Err(match broken(&err) {
                None => err.into(),
                Some((arg, must)) => {
                    Unread::Setting(bad(&self.place(arg.get_id().as_str()), &must))
                }
            }),
        }
    }

    /// A command, and all below it, with the values of the file in place of the defaults.
    fn under(&self, command: Command, name: &str) -> Command {
        let mut command = command;
        let below: Vec<_> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
        for it in below {
            command = command.mut_subcommand(&it, |sub| self.under(sub, &it));
        }
        let (log, serve) = OF_SERVE;
        command.mut_args(|arg| match self.values.get(arg.get_id().as_str()) {
            Some(_) if arg.get_id() == log && name != serve => arg,
            Some(value) => arg.default_value(value.clone()),
            None => arg,
        })
    }
}
