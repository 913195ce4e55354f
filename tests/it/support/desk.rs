//! A hub with a publisher of indicators, and the smallest definitions, observations and targets.
use sharehub::{limits::Limits, pb};
use tonic::Status;

use crate::{
    indicator::publish::partial,
    support::{
        client::{Client, all_indicators, gso},
        hub::{Hub, slow},
    },
};

/// The system that publishes everything here.
pub const SOURCE: &str = "so-tttt";

/// Province Ben Tre, until 2025-06-30.
pub const BEN_TRE: &str = "83";

/// A hub with a source, and two definitions: `doc.count` and `doc.rate`, both yearly.
pub struct Desk {
    pub hub: Hub,
    pub source: Client,
}

/// A yearly count that adds up.
pub fn count(code: &str) -> pb::Indicator {
    pb::Indicator {
        code: code.to_owned(),
        name_vi: "Số hồ sơ".to_owned(),
        kind: pb::IndicatorKind::Count.into(),
        unit_of_measure: "dossiers".to_owned(),
        direction: pb::IndicatorDirection::MoreIsBetter.into(),
        frequency: pb::ReportFrequency::Year.into(),
        time_rule: pb::TimeRule::Sum.into(),
        unit_rule: pb::UnitRule::Sum.into(),
        authoritative_source: SOURCE.to_owned(),
        due_days: 30,
        collection_level: pb::UnitLevel::Commune.into(),
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    }
}

/// A yearly percentage of two components.
pub fn ratio(code: &str) -> pb::Indicator {
    pb::Indicator {
        kind: pb::IndicatorKind::Ratio.into(),
        unit_of_measure: "%".to_owned(),
        scale: "100".to_owned(),
        time_rule: pb::TimeRule::Ratio.into(),
        unit_rule: pb::UnitRule::Ratio.into(),
        numerator: "hồ sơ đúng hạn".to_owned(),
        denominator: "hồ sơ đã giải quyết".to_owned(),
        ..count(code)
    }
}

/// An amount: any decimal.
pub fn amount(code: &str) -> pb::Indicator {
    let kind = pb::IndicatorKind::Amount.into();
    pb::Indicator { kind, unit_of_measure: "million VND".to_owned(), ..count(code) }
}

/// A value of a unit by its `gso` code.
pub fn saw(indicator: &str, unit: &str, period: &str, value: &str) -> pb::ObservationEntry {
    pb::ObservationEntry {
        indicator: indicator.to_owned(),
        unit: gso(unit, ""),
        period: period.to_owned(),
        value: (!value.is_empty()).then(|| value.to_owned()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    }
}

/// Components, and perhaps a value.
pub fn parts(unit: &str, period: &str, over: (&str, &str), value: &str) -> pb::ObservationEntry {
    let some = |it: &str| (!it.is_empty()).then(|| it.to_owned());
    let (numerator, denominator) = (some(over.0), some(over.1));
    pb::ObservationEntry { numerator, denominator, ..saw("doc.rate", unit, period, value) }
}

pub fn batch(observations: Vec<pb::ObservationEntry>) -> pb::PublishObservationsRequest {
    pb::PublishObservationsRequest { observations, ..Default::default() }
}

pub fn revision(receipt: &pb::Receipt) -> i64 {
    receipt.revision.unwrap().number
}

pub fn outcomes(receipt: &pb::Receipt) -> Vec<pb::ItemOutcome> {
    receipt.results.iter().map(pb::ItemResult::outcome).collect()
}

/// Reason and fields of the one refused item.
pub fn rejected(receipt: &pb::Receipt) -> (&'static str, Vec<&str>) {
    let mut refused = receipt.results.iter().filter(|it| it.outcome() == pb::ItemOutcome::Rejected);
    let (one, more) = (refused.next().expect("an item is refused"), refused.next());
    assert!(more.is_none(), "only one is refused: {receipt:?}");
    let reason = one.reason().as_str_name().strip_prefix("ERROR_REASON_").unwrap();
    (reason, one.violations.iter().map(|it| it.field.as_str()).collect())
}

impl Desk {
    pub async fn start() -> Self {
        Self::with(slow()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let hub = Hub::with(limits).await;
        let source = hub.system(SOURCE, all_indicators()).await;
        let desk = Self { hub, source };
        let receipt = desk.define(vec![count("doc.count"), ratio("doc.rate")]).await;
        assert_eq!(receipt.created, 2, "{receipt:?}");
        desk
    }

    pub async fn define(&self, indicators: Vec<pb::Indicator>) -> pb::Receipt {
        let request =
            pb::DefineIndicatorsRequest { indicators, allow_partial: true, ..Default::default() };
        let answer = self.source.indicators().define_indicators(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    }

    pub async fn send(
        &self,
        request: pb::PublishObservationsRequest,
    ) -> Result<pb::Receipt, Status> {
        let answer = self.source.indicators().publish_observations(request).await?;
        Ok(answer.into_inner().receipt.unwrap())
    }

    pub async fn try_publish(&self, entries: Vec<pb::ObservationEntry>) -> pb::Receipt {
        self.send(partial(entries)).await.unwrap()
    }

    /// Publishes what must be taken.
    pub async fn publish(&self, entries: Vec<pb::ObservationEntry>) -> pb::Receipt {
        let receipt = self.try_publish(entries).await;
        assert_eq!(receipt.rejected, 0, "{receipt:?}");
        receipt
    }

    /// What stands of an indicator at a unit in a period, without breakdown.
    pub async fn stands(&self, indicator: &str, unit: &str, period: &str) -> pb::Observation {
        let cell = self.cell(indicator, gso(unit, ""), period, None).await;
        cell.latest.expect("there is an observation")
    }

    pub async fn cell(
        &self,
        indicator: &str,
        unit: Option<pb::UnitRef>,
        period: &str,
        consistency: Option<pb::Consistency>,
    ) -> pb::SnapshotCell {
        let request = pb::GetSnapshotRequest {
            units: unit.into_iter().collect(),
            indicators: vec![indicator.to_owned()],
            period: period.to_owned(),
            consistency,
            ..Default::default()
        };
        let answer = self.source.indicators().get_snapshot(request).await.unwrap().into_inner();
        answer.cells.into_iter().next().unwrap()
    }

    pub async fn head(&self) -> i64 {
        self.info().await.newest.unwrap().number
    }

    pub async fn info(&self) -> pb::GetInfoResponse {
        self.source.info().get_info(pb::GetInfoRequest {}).await.unwrap().into_inner()
    }

    /// Ids of all 10,035 communes of 2024.
    pub async fn communes(&self) -> Vec<i64> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = pb::ListUnitsRequest {
                date: "2024-12-31".to_owned(),
                level: pb::UnitLevel::Commune.into(),
                page: Some(pb::PageRequest { size: 1_000, token }),
                ..Default::default()
            };
            let page = self.source.units().list_units(request).await.unwrap().into_inner();
            found.extend(page.units.iter().map(|it| it.id));
            token = page.next_page_token;
            if token.is_empty() {
                assert_eq!(found.len(), 10_035);
                return found;
            }
        }
    }

    pub async fn versions(&self, entry: &pb::ObservationEntry) -> Vec<pb::Observation> {
        let request = pb::ListRevisionsRequest {
            indicator: entry.indicator.clone(),
            unit: entry.unit.clone(),
            period: entry.period.clone(),
            breakdown: entry.breakdown.clone(),
            ..Default::default()
        };
        let answer = self.source.indicators().list_revisions(request).await.unwrap();
        answer.into_inner().versions
    }
}

pub async fn aim(desk: &Desk, targets: Vec<pb::TargetEntry>) -> pb::Receipt {
    let request = pb::PublishTargetsRequest { targets, ..Default::default() };
    let answer = desk.source.indicators().publish_targets(request).await.unwrap();
    let receipt = answer.into_inner().receipt.unwrap();
    assert_eq!(receipt.rejected, 0, "{receipt:?}");
    receipt
}

pub fn target(
    indicator: &str,
    unit: &str,
    period: &str,
    how: pb::TargetComparison,
    value: &str,
) -> pb::TargetEntry {
    let pb::ObservationEntry { indicator, unit, period, value, .. } =
        saw(indicator, unit, period, value);
    pb::TargetEntry {
        indicator,
        unit,
        period,
        comparison: how.into(),
        value,
        provenance: None,
        ..Default::default()
    }
}
