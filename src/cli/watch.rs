//! `sharehub watch`: a line for each change, from where the last run ended.
use std::{fs, io::Write, path::Path, time::Duration};

use tokio::time;
use tonic::Status;
use tonic_types::StatusExt;

use super::{
    CliResult, clean,
    client::{HubClient, explain, may_pass},
    filter,
    parse::{plain_word, spell},
    progress::note,
    query::{Json, shown},
};
use crate::{
    config::{BadConfig, Numbers, WatchArgs},
    error::Reason,
    pb::{
        self, feed_change::Subject, watch_filter::About, watch_request::From,
        watch_response::Message,
    },
};

/// The longest wait before a watch that was cut is opened again.
const LONGEST: Duration = Duration::from_secs(15);

pub(super) async fn watch(asked: WatchArgs) -> CliResult {
    let WatchArgs { indicator, dossiers, unit, breakdown, from, token_file, json, numbers, by } =
        asked;
    let breakdowns = filter::breakdowns(breakdown.as_ref())?;
    let units = filter::units(&unit)?;
    let mut filters = Vec::new();
    if dossiers && units.len() > 1 {
        return Err(BadConfig { key: "unit", must: "be one, for dossiers".to_owned() }.into());
    }
    if !indicator.is_empty() || !dossiers {
        let indicators = if indicator.iter().any(|it| it == "*") { Vec::new() } else { indicator };
        filters.push(About::Indicators(pb::IndicatorFilter {
            indicators,
            units: units.clone(),
            with_descendants: !units.is_empty(),
            parts: Vec::new(),
            breakdowns,
        }));
    }
    if dossiers {
        let receiving_unit = units.into_iter().next();
        filters
            .push(About::Dossiers(pb::DossierFilter { receiving_unit, procedure: String::new() }));
    }
    let filters = filters.into_iter().map(|it| pb::WatchFilter { about: Some(it) }).collect();
    // What the last run kept says where to go on; the flag says where to begin when there is none.
    let kept = match &token_file {
        Some(path) if path.exists() => fs::read_to_string(path)
            .map_err(|err| format!("{}: {err}", path.display()))?
            .trim()
            .to_owned(),
        Some(_) | None => String::new(),
    };
    let from = match (kept.as_str(), from.as_str()) {
        ("", "now") => From::Now(true),
        ("", "beginning") => From::Beginning(true),
        ("", token) => From::ResumeToken(token.to_owned()),
        (kept, _) => From::ResumeToken(kept.to_owned()),
    };
    let json = if json { Some(Json::of("FeedChange")?) } else { None };
    let request = pb::WatchRequest { filters, from: Some(from), bookmark_seconds: 0 };
    let mut following =
        Following { caller: HubClient::connect(&by).await?, request, token_file, json, numbers };
    following.run().await
}

/// A watch, across cuts.
struct Following {
    caller: HubClient,
    /// What is asked when the watch is opened again: it goes on where the last message ended.
    request: pb::WatchRequest,
    token_file: Option<std::path::PathBuf>,
    json: Option<Json>,
    numbers: Numbers,
}

/// Whether standard output is still read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StdoutReader {
    Reads,
    Gone,
}

impl Following {
    async fn run(&mut self) -> CliResult {
        let mut wait = Duration::from_millis(200);
        loop {
            let before = self.request.from.clone();
            match self.once().await? {
                Ok(StdoutReader::Gone) => return Ok(()),
                Ok(StdoutReader::Reads) => {}
                Err(status) if goes_on(&status) => {
                    note(&format!(
                        "note: the watch was cut, and is opened again: {}",
                        clean(status.message())
                    ));
                }
                Err(status) => return Err(explain(&status)),
            }
            wait = if before == self.request.from {
                (wait * 2).min(LONGEST)
            } else {
                Duration::from_millis(200)
            };
            time::sleep(wait).await;
        }
    }

    /// Follows until the stream ends. The outer error is ours, the inner one the hub's.
    async fn once(&mut self) -> CliResult<Result<StdoutReader, Status>> {
        let opened = self.caller.feed().watch(self.request.clone()).await;
        let mut messages = match opened {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Ok(Err(status)),
        };
        loop {
            let message = match messages.message().await {
                Ok(Some(message)) => message,
                Ok(None) => return Ok(Ok(StdoutReader::Reads)),
                Err(status) => return Ok(Err(status)),
            };
            let token = match message.message {
                Some(Message::Changes(pb::FeedChanges { changes, through: _, resume_token })) => {
                    let mut lines = String::new();
                    for it in &changes {
                        lines.push_str(&self.line(it)?);
                        lines.push('\n');
                    }
                    if write(&lines)? == StdoutReader::Gone {
                        return Ok(Ok(StdoutReader::Gone));
                    }
                    resume_token
                }
                Some(Message::Bookmark(it)) => it.resume_token,
                Some(Message::Resync(it)) => {
                    let why = plain_word(it.reason().as_str_name(), "FEED_RESYNC_REASON_");
                    note(&format!(
                        "note: the feed cannot go on without a gap ({why}); the state follows anew"
                    ));
                    it.resume_token
                }
                None => String::new(),
            };
            // Kept after what it stands behind was written: after a crash some lines may come twice, none is missing.
            if !token.is_empty() {
                if let Some(path) = &self.token_file {
                    keep(path, &token)?;
                }
                self.request.from = Some(From::ResumeToken(token));
            }
        }
    }

    fn line(&self, change: &pb::FeedChange) -> CliResult<String> {
        if let Some(json) = &self.json {
            return json.line(change);
        }
        let kind = plain_word(change.r#type().as_str_name(), "FEED_CHANGE_TYPE_");
        let about = change.subject.as_ref().map_or_else(String::new, |it| self.about(it));
        let why = match change.withdrawal_reason.as_str() {
            "" => String::new(),
            why => format!(" (withdrawn: {why})"),
        };
        Ok(clean(&format!("{} {kind} {about}{why}", change.revision)))
    }

    fn about(&self, subject: &Subject) -> String {
        let name = |unit: &Option<pb::UnitName>| {
            unit.as_ref().map_or_else(String::new, |it| format!("{} ({})", it.name, it.code))
        };
        match subject {
            Subject::Indicator(it) => {
                format!("indicator {} version {}: {}", it.code, it.version, it.name_vi)
            }
            Subject::Observation(it) => {
                let figure = it.figure.as_ref().map_or_else(String::new, |figure| {
                    format!(": {} {}", shown(figure, None, self.numbers), figure.unit_of_measure)
                });
                let breakdown = super::export::breakdown(&it.breakdown);
                let breakdown =
                    if breakdown.is_empty() { breakdown } else { format!(" [{breakdown}]") };
                format!(
                    "observation {} {} {}{breakdown}{figure}",
                    it.indicator,
                    name(&it.unit),
                    it.period
                )
            }
            Subject::Target(it) => {
                let key = format!("target {} {} {}", it.indicator, name(&it.unit), it.period);
                // Of what left there is only the key.
                if it.comparison() == pb::TargetComparison::Unspecified {
                    return key;
                }
                let comparison = plain_word(it.comparison().as_str_name(), "TARGET_COMPARISON_");
                let value = spell(it.value.as_deref().unwrap_or_default(), self.numbers);
                format!("{key}: {comparison} {value}")
            }
            Subject::Dossier(it) if it.receiving_unit.is_none() => format!("dossier {}", it.code),
            Subject::Dossier(it) => {
                let state = plain_word(it.state().as_str_name(), "DOSSIER_STATE_");
                format!("dossier {} {}: {state}", it.code, name(&it.receiving_unit))
            }
            Subject::Procedure(it) if it.name.is_empty() => format!("procedure {}", it.code),
            Subject::Procedure(it) => format!("procedure {}: {}", it.code, it.name),
            Subject::Unit(it) => format!("unit id:{}: {}", it.id, it.name),
            Subject::Access(it) => match &it.about {
                Some(pb::access_change::About::Indicator(code)) => {
                    format!("access to indicator {code}")
                }
                Some(pb::access_change::About::Dossiers(_)) => "access to dossiers".to_owned(),
                Some(pb::access_change::About::PersonalData(_)) => {
                    "access to personal data".to_owned()
                }
                Some(pb::access_change::About::Scope(_)) => {
                    "access to some units or procedures".to_owned()
                }
                None => String::new(),
            },
        }
    }
}

/// Whether the watch may go on from the last token.
fn goes_on(status: &Status) -> bool {
    let slow = Reason::ReaderTooSlow.as_str_name();
    may_pass(status) || status.get_details_error_info().is_some_and(|it| it.reason == slow)
}

fn write(lines: &str) -> CliResult<StdoutReader> {
    let mut out = std::io::stdout().lock();
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(StdoutReader::Reads),
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(StdoutReader::Gone),
        Err(err) => Err(err.into()),
    }
}

/// Keeps the token: the file is the old one or the new one, never half of either.
fn keep(path: &Path, token: &str) -> CliResult {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let told = |err: std::io::Error| format!("{}: {err}", path.display());
    fs::write(&part, format!("{token}\n")).map_err(told)?;
    fs::rename(&part, path).map_err(told)?;
    Ok(())
}
