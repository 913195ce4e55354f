//! A synthetic dossier set: made-up cases whose events add up to what two of the articles report.
//!
//! Tan Tru: 10,512 dossiers accepted and finished on time in the first nine months of 2024. Mo Cay Bac: 3,797
//! dossiers that came in online in 2023. There is no person in it, the codes say that it is synthetic, and it is the
//! same each time.
use std::sync::Arc;

use super::{broken, must_be_kept};
use crate::{
    access::Access,
    caller::Caller,
    dossier::{
        Case, Code, EventEntry, Longest, OnlineLevel, Procedure, ProcedureCode, SubmissionChannel,
        TimeUnit,
        queries::{Define, Entry, ProcedureEntry, Publish},
    },
    error::{Error, Result},
    hub::{BatchOptions, Hub},
    personal::Personal,
    revision::expected::Expected,
    time::{Day, Timestamp},
    unit::{Level, Ref, Scheme},
};

/// The system that publishes them.
pub(super) const SOURCE: &str = "one-stop.demo";
/// How the codes of synthetic dossiers begin.
pub(super) const MARK: &str = "SYNTHETIC-";

/// Procedures that do not exist either; no national code begins with 9.
const PROCEDURES: [(&str, &str, i32); 3] = [
    ("9.900001", "Thủ tục minh họa 1 (dữ liệu tổng hợp, không có thật)", 5),
    ("9.900002", "Thủ tục minh họa 2 (dữ liệu tổng hợp, không có thật)", 10),
    ("9.900003", "Thủ tục minh họa 3 (dữ liệu tổng hợp, không có thật)", 15),
];

/// What one article reports: where, when, how many, and how they came in.
struct Story {
    /// The receiving units, in turn.
    units: &'static [&'static str],
    /// A day on which those codes are theirs.
    known_on: &'static str,
    /// The first day of acceptance.
    from: &'static str,
    /// Days over which acceptances are spread; the last ones still finish inside the period.
    days: i32,
    /// How many dossiers.
    count: i32,
    /// Whether all of them came in online.
    online: bool,
}

const STORIES: [Story; 2] = [
    Story {
        units: &[
            "28075", "28078", "28084", "28087", "28090", "28093", "28096", "28099", "28102",
            "28105",
        ],
        known_on: "2024-09-30",
        from: "2024-01-02",
        days: 250,
        count: 10_512,
        online: false,
    },
    Story {
        units: &["838"],
        known_on: "2023-12-31",
        from: "2023-01-03",
        days: 330,
        count: 3_797,
        online: true,
    },
];

/// Dossiers in one write.
const BATCH: usize = 4_000;

/// Publishes them; doing it again changes nothing.
pub(super) async fn load(hub: &Arc<Hub>, access: &Access, caller: &Caller) -> Result<()> {
    let procedures = PROCEDURES.iter().map(procedure).collect();
    let to = |method: &'static str| access.permit(hub, caller.clone(), method, None);
    let define = to("/sharehub.v1.DossierService/DefineProcedures").await?;
    let (ask, op) = (BatchOptions::internal("procedures"), Define(procedures));
    must_be_kept(&hub.write_batch(&define, ask, op).await?, "procedures")?;
    let publish = to("/sharehub.v1.DossierService/PublishDossiers").await?;
    for story in &STORIES {
        let entries = (0..story.count).map(|it| entry(story, it)).collect::<Result<Vec<_>>>()?;
        for batch in entries.chunks(BATCH) {
            let op = Publish(batch.iter().cloned().map(Ok).collect());
            let ask = BatchOptions::internal("dossiers");
            must_be_kept(&hub.write_batch(&publish, ask, op).await?, "dossiers")?;
        }
    }
    Ok(())
}

fn procedure((code, name, days): &(&str, &str, i32)) -> Result<ProcedureEntry> {
    let longest = Some(Longest { count: *days, unit: TimeUnit::Day });
    let case = Case { code: String::new(), name: String::new(), longest };
    let procedure = Procedure {
        id: 0,
        code: ProcedureCode::parse(code).map_err(broken)?,
        name: (*name).to_owned(),
        field_code: "SYNTHETIC".to_owned(),
        field_name: "Dữ liệu tổng hợp".to_owned(),
        owner_level: Some(Level::District),
        online_level: Some(OnlineLevel::Full),
        has_fee: false,
        cases: vec![case],
        aliases: Vec::new(),
        made_at: 0,
    };
    Ok(ProcedureEntry { procedure, expected: Expected::ANY })
}

/// The dossier with this number: everything about it follows from the number.
fn entry(story: &Story, number: i32) -> Result<Entry> {
    let known_on = Day::parse(story.known_on).map_err(broken)?;
    let place = usize::try_from(number).map_err(Error::internal)?;
    let pick = |count: usize| place.checked_rem(count).unwrap_or(0);
    let (procedure, _, days) = PROCEDURES
        .get(pick(PROCEDURES.len()))
        .ok_or_else(|| Error::internal("there is no procedure"))?;
    let unit = story
        .units
        .get(pick(story.units.len()))
        .ok_or_else(|| Error::internal("there is no unit"))?;
    let from = Day::parse(story.from).map_err(broken)?;
    // Spread evenly, and all of a day's acceptances between eight and four.
    let accepted_on = from.plus(number.saturating_mul(story.days) / story.count);
    let accepted = at(accepted_on, 8 * 60 + number % 480);
    let due = at(accepted_on.plus(*days), 17 * 60);
    let finished = at(accepted_on.plus(days - 1 - number % 3), 15 * 60 + number % 60);
    let returned = at(accepted_on.plus(*days), 9 * 60 + number % 60);
    let mut events = Vec::new();
    if story.online {
        events.push(event(1, at(accepted_on.previous(), 20 * 60 + number % 120), None));
    }
    events.push(event(2, accepted, Some(due)));
    events.push(event(4, at(accepted_on, 16 * 60 + 30), None));
    events.push(event(9, finished, None));
    events.push(event(10, returned, None));
    let code = format!("{MARK}{unit}-{}-{:05}", accepted_on.ymd().0, number + 1);
    let named = |code: &str| Ref::Code {
        scheme: Scheme::gso(),
        code: code.to_owned(),
        date: Some(known_on),
    };
    let channel = if story.online || number % 4 == 0 {
        SubmissionChannel::Online
    } else {
        SubmissionChannel::InPerson
    };
    Ok(Entry {
        code: Code::parse(&code).map_err(broken)?,
        procedure: (*procedure).to_owned(),
        procedure_case: String::new(),
        receiving_unit: named(unit),
        competent_unit: Some(named(unit)),
        applicant_unit: None,
        channel: Some(channel),
        applicant_kind: None,
        applicant: None,
        fees: Vec::new(),
        components: Vec::new(),
        results: Vec::new(),
        events,
    })
}

fn event(state: i32, occurred_at: Timestamp, due_at: Option<Timestamp>) -> EventEntry {
    EventEntry {
        event_id: String::new(),
        occurred_at,
        source_status: state.to_string(),
        due_at,
        note: Personal::default(),
    }
}

/// So many minutes into a day in Viet Nam.
fn at(day: Day, minutes: i32) -> Timestamp {
    Timestamp::from_micros(day.start().micros() + i64::from(minutes) * 60_000_000)
}
