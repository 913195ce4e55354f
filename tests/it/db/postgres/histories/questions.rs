//! What both hubs are asked, and the floor that both move.
use std::{sync::atomic::Ordering, time::Duration};

use prost::Message;
use rand::Rng;
use sharehub::{hub::store::retention, pb, time::Timestamp};
use tonic::{Response, Status};

use super::{Pair, same, story::Story, whole};

impl Story {
    #[expect(clippy::too_many_lines, reason = "one arm for each method")]
    pub(super) async fn read(&mut self, pair: &mut Pair) {
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
                let request = pb::ListIndicatorsRequest {
                    code_prefix,
                    page,
                    consistency,
                    ..Default::default()
                };
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
                    ..Default::default()
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
                    ..Default::default()
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
                    of: self.some(0.2, |it| it.random.random_range(0..3)),
                    ..Default::default()
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
                    ..Default::default()
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
                    ..Default::default()
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
    pub(super) async fn compact(&mut self, pair: &Pair) {
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
