//! One history: what is written, as its seed has it.
use std::sync::atomic::Ordering;

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sharehub::pb;
use tonic::Response;

use super::{Pair, same};
use crate::support::client::{gso, id};

/// What a history speaks about.
pub(super) struct Story {
    pub(super) random: StdRng,
    pub(super) indicators: Vec<String>,
    pub(super) dossiers: Vec<String>,
    pub(super) procedures: Vec<String>,
    /// Revisions and their commit times, so far.
    pub(super) revisions: Vec<(i64, prost_types::Timestamp)>,
    pub(super) published: Vec<pb::PublishObservationsRequest>,
    pub(super) turn: u32,
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
    pub(super) fn new(seed: u64) -> Self {
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

    pub(super) fn any<T: Clone>(&mut self, all: &[T]) -> T {
        all.choose(&mut self.random).unwrap().clone()
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.random.random_bool(share)
    }

    pub(super) fn some<T>(&mut self, share: f64, what: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(share).then(|| what(self))
    }

    pub(super) fn text(&mut self) -> String {
        if self.chance(0.6) { String::new() } else { self.any(&TEXTS).to_owned() }
    }

    pub(super) fn indicator(&mut self) -> String {
        let all = self.indicators.clone();
        self.any(&all)
    }

    pub(super) fn chosen(&mut self) -> Vec<String> {
        let count = self.random.random_range(0..4);
        (0..count).map(|_| self.indicator()).collect()
    }

    pub(super) fn procedure(&mut self) -> String {
        let all = self.procedures.clone();
        self.any(&all)
    }

    pub(super) fn dossier(&mut self) -> String {
        let all = self.dossiers.clone();
        self.any(&all)
    }

    pub(super) fn unit(&mut self) -> Option<pb::UnitRef> {
        let (code, date) = self.any(&UNITS);
        if self.chance(0.05) { id(self.random.random_range(1..20_000)) } else { gso(code, date) }
    }

    pub(super) fn units(&mut self) -> Vec<pb::UnitRef> {
        let count = self.random.random_range(0..4);
        (0..count).filter_map(|_| self.unit()).collect()
    }

    pub(super) fn period(&mut self) -> String {
        let usual = PERIODS.len() - if self.chance(0.1) { 0 } else { 2 };
        self.any(&PERIODS[..usual]).to_owned()
    }

    pub(super) fn number(&mut self) -> String {
        // Mostly what can be read.
        if self.chance(0.85) {
            format!("{}", self.random.random_range(0..1_000))
        } else {
            self.any(&NUMBERS).to_owned()
        }
    }

    pub(super) fn request_id(&mut self) -> String {
        let (seed, turn) = (self.indicators[0].clone(), self.turn);
        self.some(0.5, |_| format!("{seed}-{turn}")).unwrap_or_default()
    }

    pub(super) fn instant(&mut self) -> prost_types::Timestamp {
        // 2025-09-01, and ten weeks on; microseconds, and what is finer.
        let seconds = 1_756_684_800 + self.random.random_range(0..70 * 86_400);
        let nanos = if self.chance(0.8) { 0 } else { self.random.random_range(0..1_000_000_000) };
        prost_types::Timestamp { seconds, nanos }
    }

    pub(super) fn page(&mut self) -> Option<pb::PageRequest> {
        self.some(0.7, |it| pb::PageRequest {
            size: it.random.random_range(0..6),
            token: String::new(),
        })
    }

    pub(super) fn consistency(&mut self) -> Option<pb::Consistency> {
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

    pub(super) fn observation(&mut self) -> pb::ObservationEntry {
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
            ..Default::default()
        }
    }

    pub(super) fn provenance(&mut self) -> pb::Provenance {
        pb::Provenance {
            channel: self.random.random_range(0..4),
            source_document: self.text(),
            quote: self.text(),
            note: self.text(),
            ..Default::default()
        }
    }

    pub(super) fn definition(&mut self, code: String) -> pb::Indicator {
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

    pub(super) fn event(&mut self) -> pb::DossierEventEntry {
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

    pub(super) fn dossier_entry(&mut self) -> pb::DossierEntry {
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

    pub(super) fn kept(&mut self, receipt: Option<pb::Receipt>) {
        let revision = receipt.and_then(|it| it.revision);
        if let Some(revision) = revision {
            self.revisions.push((revision.number, revision.committed_at.unwrap()));
        }
    }

    /// Withdraws some of what may have been published.
    async fn withdraw(
        &mut self,
        pair: &mut Pair,
        request_id: String,
        allow_partial: bool,
        validate_only: bool,
    ) -> Option<pb::Receipt> {
        let reason = if self.chance(0.05) { String::new() } else { "nhập nhầm".to_owned() };
        let count = self.random.random_range(1..4);
        match self.random.random_range(0..8) {
            0..4 => {
                let all = self.published.clone();
                let said = all.iter().flat_map(|it| &it.observations).cloned();
                let said: Vec<_> = said.collect();
                let observations = (0..count).map(|_| {
                    let is_known = !said.is_empty() && self.chance(0.9);
                    let it = if is_known { self.any(&said) } else { self.observation() };
                    let pb::ObservationEntry { indicator, unit, period, breakdown, .. } = it;
                    pb::ObservationKey { indicator, unit, period, breakdown }
                });
                let observations = observations.collect();
                let request = pb::WithdrawObservationsRequest {
                    request_id,
                    allow_partial,
                    observations,
                    reason,
                    validate_only,
                };
                both!(pair, indicators.withdraw_observations(request)).and_then(|it| it.receipt)
            }
            4 => {
                let targets = (0..count).map(|_| pb::TargetKey {
                    indicator: self.indicator(),
                    unit: self.unit(),
                    period: self.period(),
                    ..Default::default()
                });
                let targets = targets.collect();
                let request = pb::WithdrawTargetsRequest {
                    request_id,
                    allow_partial,
                    targets,
                    reason,
                    validate_only,
                };
                both!(pair, indicators.withdraw_targets(request)).and_then(|it| it.receipt)
            }
            5 => {
                let procedures = vec![self.procedure()];
                let request = pb::WithdrawProceduresRequest {
                    request_id,
                    allow_partial,
                    procedures,
                    reason,
                    validate_only,
                };
                both!(pair, dossiers.withdraw_procedures(request)).and_then(|it| it.receipt)
            }
            _ => {
                let dossiers = (0..count).map(|_| self.dossier()).collect();
                let request = pb::WithdrawDossiersRequest {
                    request_id,
                    allow_partial,
                    dossiers,
                    reason,
                    validate_only,
                };
                both!(pair, dossiers.withdraw_dossiers(request)).and_then(|it| it.receipt)
            }
        }
    }

    pub(super) async fn write(&mut self, pair: &mut Pair) {
        let (allow_partial, validate_only) = (self.chance(0.8), self.chance(0.05));
        let request_id = self.request_id();
        let receipt = match self.random.random_range(0..15) {
            0 => {
                let codes = self.chosen();
                let indicators = codes.into_iter().map(|it| self.definition(it)).collect();
                let request = pb::DefineIndicatorsRequest {
                    request_id,
                    allow_partial,
                    indicators,
                    validate_only,
                    groups: Vec::new(),
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
                        ..Default::default()
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
            12..15 => self.withdraw(pair, request_id, allow_partial, validate_only).await,
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
}
