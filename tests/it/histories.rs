//! Random histories, written to a hub on SQLite and to one on PostgreSQL: every answer is the same, byte for byte.
//!
//! `SHAREHUB_TEST_HISTORIES` says how many (6 unless given), `SHAREHUB_TEST_SEED` from which seed on.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test: it may fail loudly, and says what it did"
)]
use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sharehub::{
    db::{Clock, Options},
    hub::retention,
    pb,
    time::Timestamp,
};
use tonic::{Response, Status, Streaming};

use crate::{
    engine::{Store, scale},
    hub::{Client, Grants, Hub, gso, id, slow},
};

/// Steps of one history.
const STEPS: u32 = 60;
/// 2026-02-01 in UTC: commit times are in the past, so that they can be asked about.
const BEGAN: i64 = 1_769_904_000_000_000;

/// The two hubs, and what was asked of both.
struct Pair {
    hubs: [Hub; 2],
    clients: [Client; 2],
    clock: Arc<AtomicI64>,
    seed: u64,
    asked: BTreeMap<&'static str, u32>,
    refused: AtomicU64,
}

/// An answer's bytes, without the checkpoint in its receipt: each log is signed by its own hub's time.
fn bytes_of(what: &str, answer: &impl Message) -> Vec<u8> {
    static POOL: LazyLock<DescriptorPool> =
        LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTORS).unwrap());
    let words = what.split('_').map(|it| it[..1].to_uppercase() + &it[1..]);
    let name = format!("sharehub.v1.{}Response", words.collect::<String>());
    let message = POOL.get_message_by_name(&name).unwrap();
    let mut message = DynamicMessage::decode(message, answer.encode_to_vec().as_slice()).unwrap();
    if message.descriptor().get_field_by_name("receipt").is_some() {
        let mut receipt = message.get_field_by_name("receipt").unwrap().into_owned();
        receipt.as_message_mut().unwrap().clear_field_by_name("checkpoint");
        message.set_field_by_name("receipt", receipt);
    }
    message.encode_to_vec()
}

/// The two answers, encoded: they must be the same.
fn same<A: Message + Debug>(
    what: &str,
    seed: u64,
    request: &dyn Debug,
    answers: [Result<A, Status>; 2],
) -> Option<A> {
    let bytes = |it: &Result<A, Status>| match it {
        Ok(answer) => (0, String::new(), bytes_of(what, answer)),
        Err(status) => {
            (status.code() as i32, status.message().to_owned(), status.details().to_vec())
        }
    };
    let [sqlite, postgres] = answers;
    assert!(
        bytes(&sqlite) == bytes(&postgres),
        "SHAREHUB_TEST_SEED={seed}: {what} {request:?}\nSQLite:     {sqlite:?}\nPostgreSQL: {postgres:?}"
    );
    let code = sqlite.as_ref().err().map(Status::code);
    let known = [
        None,
        Some(tonic::Code::InvalidArgument),
        Some(tonic::Code::NotFound),
        Some(tonic::Code::AlreadyExists),
        Some(tonic::Code::OutOfRange),
        Some(tonic::Code::FailedPrecondition),
        Some(tonic::Code::PermissionDenied),
    ];
    assert!(known.contains(&code), "SHAREHUB_TEST_SEED={seed}: {what} {request:?}: {sqlite:?}");
    sqlite.ok()
}

/// All messages of a stream, as one list of their bytes.
async fn whole<A: Message + Default>(
    answer: Result<Response<Streaming<A>>, Status>,
) -> Result<Vec<A>, Status> {
    let mut stream = answer?.into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await? {
        all.push(message);
    }
    Ok(all)
}

macro_rules! both {
    ($pair:expr, $client:ident.$method:ident($request:expr)) => {{
        let (pair, request) = (&mut *$pair, $request);
        *pair.asked.entry(stringify!($method)).or_default() += 1;
        let [one, two] = &pair.clients;
        let answers = [
            one.$client().$method(request.clone()).await.map(Response::into_inner),
            two.$client().$method(request.clone()).await.map(Response::into_inner),
        ];
        let answer = same(stringify!($method), pair.seed, &request, answers);
        pair.refused.fetch_add(u64::from(answer.is_none()), Ordering::Relaxed);
        answer
    }};
}

macro_rules! both_whole {
    ($pair:expr, $client:ident.$method:ident($request:expr)) => {{
        let (pair, request) = (&mut *$pair, $request);
        *pair.asked.entry(stringify!($method)).or_default() += 1;
        let [one, two] = &pair.clients;
        let sqlite = whole(one.$client().$method(request.clone()).await).await;
        let postgres = whole(two.$client().$method(request.clone()).await).await;
        let bytes = |it: &Result<Vec<_>, Status>| match it {
            Ok(all) => all.iter().flat_map(Message::encode_to_vec).collect(),
            Err(status) => status.details().to_vec(),
        };
        let seed = pair.seed;
        assert!(
            bytes(&sqlite) == bytes(&postgres),
            "SHAREHUB_TEST_SEED={seed}: {request:?}\nSQLite:     {sqlite:?}\nPostgreSQL: {postgres:?}"
        );
    }};
}

impl Pair {
    async fn start() -> Self {
        let clock = Arc::new(AtomicI64::new(BEGAN));
        let told = Arc::clone(&clock);
        let now = move || Timestamp::from_micros(told.load(Ordering::SeqCst));
        let clock_of_both = Clock::new(now);
        let [one, two] = Store::twins(&clock_of_both).await;
        let open = async |store: Store| {
            let options = Options { clock: clock_of_both.clone(), ..Options::new(&store.url) };
            Hub::open(store, options, slow()).await
        };
        let hubs = [open(one).await, open(two).await];
        let everything = || Grants {
            define_indicators: vec!["*".to_owned()],
            publish_indicators: vec!["*".to_owned()],
            read_indicators: vec!["*".to_owned()],
            define_procedures: true,
            publish_dossiers: true,
            read_dossiers: true,
            ..Default::default()
        };
        let clients = [
            hubs[0].system("nguon", everything()).await,
            hubs[1].system("nguon", everything()).await,
        ];
        let asked = BTreeMap::new();
        Self { hubs, clients, clock, seed: 0, asked, refused: AtomicU64::new(0) }
    }
}

/// What a history speaks about.
struct Story {
    random: StdRng,
    indicators: Vec<String>,
    dossiers: Vec<String>,
    procedures: Vec<String>,
    /// Revisions and their commit times, so far.
    revisions: Vec<(i64, prost_types::Timestamp)>,
    published: Vec<pb::PublishObservationsRequest>,
    turn: u32,
}

const UNITS: [(&str, &str); 9] = [
    ("86", ""),
    ("80", ""),
    ("79", "2024-12-31"),
    ("28915", ""),
    ("28858", ""),
    ("829", "2024-12-31"),
    ("00004", "2024-12-31"),
    ("99999", ""),
    ("83", "2024-12-31"),
];
const PERIODS: [&str; 12] = [
    "2024",
    "2025",
    "2025-H2",
    "2025-Q3",
    "2025-07",
    "2025-08",
    "2025-09",
    "2025-YTD-09",
    "2025-W37",
    "2025-10-01",
    "2025-13",
    "",
];
const NUMBERS: [&str; 18] = [
    "0",
    "-0",
    "1",
    "1.50",
    "1.5",
    "-3.25",
    "10512",
    "0.000001",
    "99999999999999999999",
    "12345678901.234567891",
    "123456789012345678901",
    "1e5",
    "NaN",
    " 5",
    "0.1",
    "0.10",
    "-99999999999999999999",
    "",
];
const TEXTS: [&str; 12] =
    ["", "a", "B", "ấp", "Ấp", "a\u{306}", "_%", "100%", "\\", "'; --", "\u{1f600}", "nul\u{0}"];

impl Story {
    fn new(seed: u64) -> Self {
        let codes = |names: &[&str], before: &str| -> Vec<String> {
            names.iter().map(|it| format!("{before}{it}")).collect()
        };
        Self {
            random: StdRng::seed_from_u64(seed),
            indicators: codes(&["a-b", "a.b", "ab", "a1", "rate", "missing"], &format!("h{seed}.")),
            dossiers: codes(&["A", "a", "-B", ".b", "10", "9"], &format!("H{seed}.")),
            procedures: (0..4).map(|it| format!("1.{:06}", (seed * 4 + it) % 1_000_000)).collect(),
            revisions: Vec::new(),
            published: Vec::new(),
            turn: 0,
        }
    }

    fn any<T: Clone>(&mut self, all: &[T]) -> T {
        all.choose(&mut self.random).unwrap().clone()
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    fn some<T>(&mut self, share: f64, what: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(share).then(|| what(self))
    }

    fn text(&mut self) -> String {
        if self.chance(0.6) { String::new() } else { self.any(&TEXTS).to_owned() }
    }

    fn indicator(&mut self) -> String {
        let all = self.indicators.clone();
        self.any(&all)
    }

    fn chosen(&mut self) -> Vec<String> {
        let count = self.random.random_range(0..4);
        (0..count).map(|_| self.indicator()).collect()
    }

    fn procedure(&mut self) -> String {
        let all = self.procedures.clone();
        self.any(&all)
    }

    fn dossier(&mut self) -> String {
        let all = self.dossiers.clone();
        self.any(&all)
    }

    fn unit(&mut self) -> Option<pb::UnitRef> {
        let (code, date) = self.any(&UNITS);
        if self.chance(0.05) { id(self.random.random_range(1..20_000)) } else { gso(code, date) }
    }

    fn units(&mut self) -> Vec<pb::UnitRef> {
        let count = self.random.random_range(0..4);
        (0..count).filter_map(|_| self.unit()).collect()
    }

    fn period(&mut self) -> String {
        let usual = PERIODS.len() - if self.chance(0.1) { 0 } else { 2 };
        self.any(&PERIODS[..usual]).to_owned()
    }

    fn number(&mut self) -> String {
        // Mostly what can be read.
        if self.chance(0.85) {
            format!("{}", self.random.random_range(0..1_000))
        } else {
            self.any(&NUMBERS).to_owned()
        }
    }

    fn request_id(&mut self) -> String {
        let (seed, turn) = (self.indicators[0].clone(), self.turn);
        self.some(0.5, |_| format!("{seed}-{turn}")).unwrap_or_default()
    }

    fn instant(&mut self) -> prost_types::Timestamp {
        // 2025-09-01, and ten weeks on; microseconds, and what is finer.
        let seconds = 1_756_684_800 + self.random.random_range(0..70 * 86_400);
        let nanos = if self.chance(0.8) { 0 } else { self.random.random_range(0..1_000_000_000) };
        prost_types::Timestamp { seconds, nanos }
    }

    fn page(&mut self) -> Option<pb::PageRequest> {
        self.some(0.7, |it| pb::PageRequest {
            size: it.random.random_range(0..6),
            token: String::new(),
        })
    }

    fn consistency(&mut self) -> Option<pb::Consistency> {
        use pb::consistency::Requirement::{AsKnownAt, AtLeast, Exactly, Latest};
        let all = self.revisions.clone();
        let (number, at) = if all.is_empty() { return None } else { self.any(&all) };
        let requirement = match self.random.random_range(0..10) {
            0..3 => return None,
            3 => Latest(true),
            4 => AtLeast(number),
            5..8 => Exactly(number),
            8 => AsKnownAt(at),
            _ => AsKnownAt(prost_types::Timestamp { seconds: at.seconds - 1, ..at }),
        };
        Some(pb::Consistency { requirement: Some(requirement) })
    }

    fn observation(&mut self) -> pb::ObservationEntry {
        let indicator = self.indicator();
        let is_ratio = indicator.ends_with("rate");
        let breakdown = self.some(0.15, |it| {
            (it.any(&["gioi", "a_b"]).to_owned(), it.any(&["nam", "nu", "x"]).to_owned())
        });
        pb::ObservationEntry {
            indicator,
            unit: self.unit(),
            period: self.period(),
            breakdown: breakdown.into_iter().collect(),
            value: self.some(if is_ratio { 0.3 } else { 0.9 }, Self::number),
            numerator: self.some(if is_ratio { 0.8 } else { 0.05 }, Self::number),
            denominator: self.some(if is_ratio { 0.8 } else { 0.05 }, Self::number),
            qualifier: self.some(0.3, |it| it.random.random_range(0..8)),
            status: if self.chance(0.7) { 3 } else { self.random.random_range(0..8) },
            as_of: self.some(0.1, |_| "2025-09-15".to_owned()).unwrap_or_default(),
            provenance: self.some(0.4, Self::provenance),
            correction_reason: self.text(),
        }
    }

    fn provenance(&mut self) -> pb::Provenance {
        pb::Provenance {
            channel: self.random.random_range(0..4),
            source_document: self.text(),
            quote: self.text(),
            note: self.text(),
            ..Default::default()
        }
    }

    fn definition(&mut self, code: String) -> pb::Indicator {
        let is_ratio = code.ends_with("rate");
        let ratio =
            |it: pb::IndicatorKind, other: pb::IndicatorKind| if is_ratio { it } else { other };
        pb::Indicator {
            name_vi: format!("Chỉ tiêu {}", self.text()),
            kind: ratio(pb::IndicatorKind::Ratio, pb::IndicatorKind::Count).into(),
            unit_of_measure: if is_ratio { "%" } else { "lần" }.to_owned(),
            scale: if is_ratio { "100" } else { "" }.to_owned(),
            numerator: if is_ratio { "tử" } else { "" }.to_owned(),
            denominator: if is_ratio { "mẫu" } else { "" }.to_owned(),
            direction: pb::IndicatorDirection::MoreIsBetter.into(),
            frequency: pb::ReportFrequency::Month.into(),
            time_rule: if is_ratio { pb::TimeRule::Ratio } else { pb::TimeRule::Sum }.into(),
            unit_rule: if is_ratio { pb::UnitRule::Ratio } else { pb::UnitRule::Sum }.into(),
            authoritative_source: "nguon".to_owned(),
            collection_level: pb::UnitLevel::Commune.into(),
            due_days: self.random.random_range(0..20),
            retired: self.chance(0.05),
            code,
            calendar: pb::ReportCalendar::Calendar.into(),
            tree: pb::UnitTree::Territory.into(),
            ..Default::default()
        }
    }

    fn event(&mut self) -> pb::DossierEventEntry {
        pb::DossierEventEntry {
            event_id: self
                .some(0.3, |it| format!("e{}", it.random.random_range(0..9)))
                .unwrap_or_default(),
            occurred_at: Some(self.instant()),
            source_status: self.random.random_range(0..12).to_string(),
            due_at: self.some(0.4, Self::instant),
            note: self.text(),
        }
    }

    fn dossier_entry(&mut self) -> pb::DossierEntry {
        let count = self.random.random_range(0..4);
        pb::DossierEntry {
            code: self.dossier(),
            procedure: self.procedure(),
            receiving_unit: self.unit(),
            applicant_unit: self.some(0.3, Self::unit).flatten(),
            channel: self.random.random_range(0..4),
            fees: self
                .some(0.2, |it| pb::DossierFee {
                    name: it.text(),
                    amount: it.number(),
                    paid_online: true,
                })
                .into_iter()
                .collect(),
            events: (0..count).map(|_| self.event()).collect(),
            ..Default::default()
        }
    }

    fn kept(&mut self, receipt: Option<pb::Receipt>) {
        let revision = receipt.and_then(|it| it.revision);
        if let Some(revision) = revision {
            self.revisions.push((revision.number, revision.committed_at.unwrap()));
        }
    }

    async fn write(&mut self, pair: &mut Pair) {
        let (allow_partial, validate_only) = (self.chance(0.8), self.chance(0.05));
        let request_id = self.request_id();
        let receipt = match self.random.random_range(0..12) {
            0 => {
                let codes = self.chosen();
                let indicators = codes.into_iter().map(|it| self.definition(it)).collect();
                let request = pb::DefineIndicatorsRequest {
                    request_id,
                    allow_partial,
                    indicators,
                    validate_only,
                };
                both!(pair, indicators.define_indicators(request)).and_then(|it| it.receipt)
            }
            1 => {
                let count = self.random.random_range(1..5);
                let targets = (0..count)
                    .map(|_| pb::TargetEntry {
                        indicator: self.indicator(),
                        unit: self.unit(),
                        period: self.period(),
                        comparison: self.random.random_range(0..7),
                        value: self.some(0.9, Self::number),
                        provenance: self.some(0.3, Self::provenance),
                    })
                    .collect();
                let request =
                    pb::PublishTargetsRequest { request_id, allow_partial, targets, validate_only };
                both!(pair, indicators.publish_targets(request)).and_then(|it| it.receipt)
            }
            2 => {
                let code = self.procedure();
                let procedures = vec![pb::Procedure {
                    code,
                    name: format!("Thủ tục {}", self.text()),
                    ..Default::default()
                }];
                let request = pb::DefineProceduresRequest {
                    request_id,
                    allow_partial,
                    procedures,
                    validate_only,
                };
                both!(pair, dossiers.define_procedures(request)).and_then(|it| it.receipt)
            }
            3 | 4 => {
                let count = self.random.random_range(1..4);
                let dossiers = (0..count).map(|_| self.dossier_entry()).collect();
                let request = pb::PublishDossiersRequest {
                    request_id,
                    allow_partial,
                    dossiers,
                    validate_only,
                };
                both!(pair, dossiers.publish_dossiers(request)).and_then(|it| it.receipt)
            }
            5 => {
                let count = self.random.random_range(1..4);
                let events = (0..count)
                    .map(|_| pb::EventForDossier {
                        dossier: self.dossier(),
                        event: Some(self.event()),
                    })
                    .collect();
                let request =
                    pb::PublishEventsRequest { request_id, allow_partial, events, validate_only };
                both!(pair, dossiers.publish_events(request)).and_then(|it| it.receipt)
            }
            // Sent again as it was, or with the same id and something else.
            6 if !self.published.is_empty() => {
                let all = self.published.clone();
                let mut request = self.any(&all);
                if self.chance(0.2) {
                    request.observations.push(self.observation());
                }
                both!(pair, indicators.publish_observations(request)).and_then(|it| it.receipt)
            }
            _ => {
                let count = self.random.random_range(1..7);
                let observations = (0..count).map(|_| self.observation()).collect();
                let request = pb::PublishObservationsRequest {
                    request_id,
                    allow_partial,
                    observations,
                    validate_only,
                };
                self.published.push(request.clone());
                both!(pair, indicators.publish_observations(request)).and_then(|it| it.receipt)
            }
        };
        self.kept(receipt);
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each method")]
    async fn read(&mut self, pair: &mut Pair) {
        let consistency = self.consistency();
        match self.random.random_range(0..20) {
            0 => {
                let code = self.indicator();
                both!(
                    pair,
                    indicators.get_indicator(pb::GetIndicatorRequest { code, consistency })
                );
            }
            1 => {
                let code_prefix = self.indicators[0][..3].to_owned();
                let page = self.page();
                let request = pb::ListIndicatorsRequest { code_prefix, page, consistency };
                both!(pair, indicators.list_indicators(request));
            }
            2..5 => {
                let mut request = pb::QueryObservationsRequest {
                    indicators: self.indicators[..5].to_vec(),
                    units: self.units(),
                    with_descendants: self.chance(0.5),
                    period: self.some(0.2, Self::period).unwrap_or_default(),
                    page: self.page(),
                    consistency,
                    ..Default::default()
                };
                // Page by page, to the end.
                for _ in 0..50 {
                    let answer = both!(pair, indicators.query_observations(request.clone()));
                    let Some(answer) = answer.filter(|it| !it.next_page_token.is_empty()) else {
                        break;
                    };
                    let size = request.page.as_ref().map_or(0, |it| it.size);
                    request.page = Some(pb::PageRequest { size, token: answer.next_page_token });
                }
            }
            5 => {
                let request = pb::QueryTargetsRequest {
                    indicators: self.indicators[..5].to_vec(),
                    units: self.units(),
                    page: self.page(),
                    consistency,
                };
                both!(pair, indicators.query_targets(request));
            }
            6 | 7 => {
                let request = pb::GetSnapshotRequest {
                    units: self.units(),
                    indicators: self.chosen(),
                    period: self.some(0.4, Self::period).unwrap_or_default(),
                    date: "2025-12-31".to_owned(),
                    consistency,
                };
                both!(pair, indicators.get_snapshot(request));
            }
            8 | 9 => {
                let request = pb::RollUpRequest {
                    indicator: self.indicator(),
                    unit: self.unit(),
                    periods: vec![self.period()],
                    geography: self.random.random_range(0..4),
                    as_of: self.some(0.3, |_| "2025-12-31".to_owned()).unwrap_or_default(),
                    consistency,
                };
                both!(pair, indicators.roll_up(request));
            }
            10 => {
                let request = pb::RankUnitsRequest {
                    indicator: self.indicator(),
                    period: self.period(),
                    below: self.some(0.7, Self::unit).flatten(),
                    level: self.random.random_range(0..5),
                    rolled_up: self.chance(0.3),
                    consistency,
                };
                both!(pair, indicators.rank_units(request));
            }
            11 => {
                let request = pb::ListRevisionsRequest {
                    indicator: self.indicator(),
                    unit: self.unit(),
                    period: self.period(),
                    page: self.page(),
                    consistency,
                    ..Default::default()
                };
                both!(pair, indicators.list_revisions(request));
            }
            12 => {
                let request = pb::GetAvailabilityRequest {
                    indicators: self.indicators[..2].to_vec(),
                    units: self.units(),
                    ends_from: "2025-07-01".to_owned(),
                    ends_before: "2025-11-01".to_owned(),
                    consistency,
                };
                both!(pair, indicators.get_availability(request));
            }
            13 => {
                let request = pb::ExportObservationsRequest {
                    indicators: self.indicators[..5].to_vec(),
                    consistency,
                    ..Default::default()
                };
                both_whole!(pair, indicators.export_observations(request));
            }
            14 => {
                let (code, as_of) = (self.dossier(), self.some(0.3, Self::instant));
                both!(
                    pair,
                    dossiers.get_dossier(pb::GetDossierRequest { code, as_of, consistency })
                );
            }
            15 => {
                let code = self.dossier();
                both!(
                    pair,
                    dossiers.look_up_dossier(pb::LookUpDossierRequest { code, consistency })
                );
            }
            16 => {
                let mut request = pb::ListDossiersRequest {
                    receiving_unit: self.some(0.3, Self::unit).flatten(),
                    state: if self.chance(0.7) { 0 } else { self.random.random_range(0..11) },
                    accepted_from: self.some(0.2, Self::instant),
                    page: Some(pb::PageRequest { size: 3, token: String::new() }),
                    consistency,
                    ..Default::default()
                };
                for _ in 0..3 {
                    let answer = both!(pair, dossiers.list_dossiers(request.clone()));
                    let Some(answer) = answer.filter(|it| !it.next_page_token.is_empty()) else {
                        break;
                    };
                    request.page = Some(pb::PageRequest { size: 3, token: answer.next_page_token });
                }
            }
            17 => {
                let request = pb::SummarizeDossiersRequest {
                    rule: "national-766".to_owned(),
                    period: self.any(&["2025", "2025-09", "2025-10"]).to_owned(),
                    receiving_unit: self.some(0.3, Self::unit).flatten(),
                    by: vec![self.random.random_range(0..5)],
                    as_of: Some(prost_types::Timestamp { seconds: 1_765_000_000, nanos: 0 }),
                    consistency,
                    ..Default::default()
                };
                both!(pair, dossiers.summarize_dossiers(request));
            }
            18 => {
                let request = pb::ExportDossiersRequest { consistency, ..Default::default() };
                both_whole!(pair, dossiers.export_dossiers(request));
            }
            _ => {
                let page = self.page();
                let request =
                    pb::ListProceduresRequest { field_code: String::new(), page, consistency };
                both!(pair, dossiers.list_procedures(request));
                let unit = self.unit();
                let request = pb::ListUnitsRequest {
                    date: "2025-12-31".to_owned(),
                    below: unit.clone(),
                    name: self.text(),
                    page: self.page(),
                    consistency,
                    ..Default::default()
                };
                both!(pair, units.list_units(request));
                let request = pb::GetUnitRequest { unit: unit.clone(), consistency };
                both!(pair, units.get_unit(request));
                let (code, source) = (self.procedure(), String::new());
                let request = pb::GetProcedureRequest { code, source, consistency };
                both!(pair, dossiers.get_procedure(request));
                let date = "2025-12-31".to_owned();
                both!(pair, units.trace_unit(pb::TraceUnitRequest { unit, date, consistency }));
            }
        }
    }

    /// Moves the floor to a moment of this history, on both.
    async fn compact(&mut self, pair: &Pair) {
        let all = self.revisions.clone();
        let (_, at) = self.any(&all);
        let keep_after = Timestamp::from_parts(at.seconds, at.nanos).unwrap();
        let mut done = Vec::new();
        for hub in &pair.hubs {
            let reason = "a history".to_owned();
            let compact = retention::Compact { keep_after, reason, grace: Duration::ZERO };
            done.push(format!("{:?}", retention::compact(&hub.hub, compact).await.unwrap()));
        }
        assert_eq!(done[0], done[1], "SHAREHUB_TEST_SEED={}", pair.seed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_histories_are_told_alike_by_both_engines() {
    let count: u64 = scale("SHAREHUB_TEST_HISTORIES", 6);
    let first: u64 = scale("SHAREHUB_TEST_SEED", u64::from(rand::random::<u32>()));
    println!("SHAREHUB_TEST_SEED={first}");
    let mut pair = Pair::start().await;
    assert_eq!(pair.hubs.each_ref().map(|it| it.hub.db.engine()), ["sqlite", "postgres"]);
    let began = Instant::now();
    let mut revisions = 0;
    for seed in first..first + count {
        pair.seed = seed;
        let mut story = Story::new(seed);
        // There is something to speak about.
        let definitions = story.indicators[..5].to_vec();
        let indicators = definitions.into_iter().map(|it| story.definition(it)).collect();
        let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let receipt =
            both!(&mut pair, indicators.define_indicators(define)).and_then(|it| it.receipt);
        story.kept(receipt);
        let procedure = |it: &String| pb::Procedure {
            code: it.clone(),
            name: "Đăng ký".to_owned(),
            ..Default::default()
        };
        let procedures = story.procedures[..3].iter().map(procedure).collect();
        let define = pb::DefineProceduresRequest { procedures, ..Default::default() };
        let receipt =
            both!(&mut pair, dossiers.define_procedures(define)).and_then(|it| it.receipt);
        story.kept(receipt);
        for turn in 0..STEPS {
            story.turn = turn;
            // The clock stands still, goes on, or steps back.
            let step = story.any(&[0, 1, 1_000, 250_000, 1_000_000, 3_000_000, -2_000_000]);
            pair.clock.fetch_add(step, Ordering::SeqCst);
            if story.chance(0.45) {
                story.write(&mut pair).await;
            } else {
                story.read(&mut pair).await;
            }
        }
        story.compact(&pair).await;
        for _ in 0..5 {
            story.read(&mut pair).await;
        }
        revisions += story.revisions.len();
    }
    let calls: u32 = pair.asked.values().sum();
    println!(
        "{count} histories in {:?}: {calls} calls of each hub were answered alike, {} of them refused; {revisions} \
         receipts; {:?}",
        began.elapsed(),
        pair.refused.load(Ordering::Relaxed),
        pair.asked,
    );
    // A history in which everything was refused proves nothing.
    assert!(pair.refused.load(Ordering::Relaxed) < u64::from(calls) / 2);
}
