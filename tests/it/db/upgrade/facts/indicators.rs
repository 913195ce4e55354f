//! Facts about indicators: definitions, numbers, targets, and what is judged of them.
use sharehub::pb;

use super::{Facts, instant, name, or_none, revision, whole};
use crate::support::client::gso;

fn provenance(it: &Option<pb::Provenance>) -> String {
    let Some(it) = it else { return "-".to_owned() };
    let words = [
        &it.source_system,
        &it.source_document,
        &it.source_record,
        &it.quote,
        &it.as_written,
        &it.note,
    ];
    format!("{:?} {words:?}", it.channel())
}

fn figure(it: &pb::Figure) -> String {
    let numbers = [&it.value, &it.computed_value, &it.numerator, &it.denominator].map(or_none);
    format!(
        "{numbers:?} {:?} {:?} {:?} in {} by version {}, inconsistent {}, from {}",
        it.basis(),
        it.qualifier(),
        it.status(),
        it.unit_of_measure,
        it.definition_version,
        it.inconsistent,
        provenance(&it.provenance),
    )
}

fn observation(it: &pb::Observation) -> String {
    format!(
        "observation {} {} {} {} {:?} as of {:?}: {}, because {:?}, made {} ended {}",
        it.indicator,
        name(&it.unit),
        it.period,
        // Half-open then, too.
        format_args!("{}..{}", it.period_from, it.period_before),
        it.breakdown,
        it.as_of,
        figure(it.figure.as_ref().unwrap()),
        it.correction_reason,
        revision(&it.revision),
        revision(&it.superseded),
    )
}

impl Facts<'_> {
    pub async fn definitions(&self) -> Vec<String> {
        let mut facts = Vec::new();
        for consistency in [None, self.at("before_correction")] {
            let list =
                pb::ListIndicatorsRequest { page: whole(), consistency, ..Default::default() };
            let listed = self.reader.indicators().list_indicators(list).await.unwrap().into_inner();
            facts.extend(listed.indicators.iter().map(|it| {
                let kinds = format!("{:?} {:?} {:?} {:?}", it.kind(), it.direction(), it.frequency(), it.calendar());
                let (time, unit) = (it.time_rule(), it.unit_rule());
                let rules = format!("{time:?} {unit:?} {:?} {:?}", it.sharing_level(), it.tree());
                let words = [
                    &it.name_vi,
                    &it.name_en,
                    &it.description,
                    &it.unit_of_measure,
                    &it.scale,
                    &it.numerator,
                    &it.denominator,
                ];
                let who = [&it.legal_basis, &it.owner_agency, &it.authoritative_source];
                format!(
                    "indicator {} version {} {kinds} {rules} {:?} {words:?} {who:?} due {} retired {} made {}",
                    it.code, it.version, it.collection_level(), it.due_days, it.retired, it.revision
                )
            }));
        }
        facts
    }

    pub async fn observations(&self) -> Vec<String> {
        let mut facts = Vec::new();
        let mut client = self.reader.indicators();
        for consistency in [None, self.at("before_correction")] {
            let indicators = ["doc.count", "doc.rate", "spent"].map(str::to_owned).to_vec();
            let query = pb::QueryObservationsRequest {
                indicators,
                page: whole(),
                consistency,
                ..Default::default()
            };
            let listed = client.query_observations(query).await.unwrap().into_inner();
            facts.extend(listed.observations.iter().map(observation));
        }
        let history = pb::ListRevisionsRequest {
            indicator: "doc.count".to_owned(),
            unit: gso("28915", "2024-12-31"),
            period: "2024".to_owned(),
            ..Default::default()
        };
        let versions = client.list_revisions(history).await.unwrap().into_inner().versions;
        facts.extend(versions.iter().map(|it| format!("version: {}", observation(it))));
        let aims = pb::QueryTargetsRequest {
            indicators: vec!["doc.rate".to_owned()],
            page: whole(),
            ..Default::default()
        };
        let aims = client.query_targets(aims).await.unwrap().into_inner().targets;
        facts.extend(aims.iter().map(|it| {
            let aim = format!("{:?} {}", it.comparison(), or_none(&it.value));
            format!("target {} {} {aim} made {}", name(&it.unit), it.period, revision(&it.revision))
        }));
        facts
    }

    /// Snapshots, roll-ups, ranks and availability.
    pub async fn judged(&self) -> Vec<String> {
        let mut facts = Vec::new();
        let mut client = self.reader.indicators();
        let snapshot = pb::GetSnapshotRequest {
            units: [gso("28915", "2024-12-31"), gso("83", "2024-12-31")]
                .into_iter()
                .flatten()
                .collect(),
            indicators: ["doc.count", "doc.rate"].map(str::to_owned).to_vec(),
            date: "2025-03-01".to_owned(),
            ..Default::default()
        };
        for it in client.get_snapshot(snapshot).await.unwrap().into_inner().cells {
            let shown = [&it.latest, &it.previous].map(|it| it.as_ref().map(observation));
            let judged = it
                .attainment
                .as_ref()
                .map(|it| format!("{:?} {} {:?}", it.state(), it.judged_period, it.gap));
            let fresh = it
                .freshness
                .as_ref()
                .map(|it| format!("{:?} {} {}", it.state(), it.missing_period, it.days_late));
            facts.push(format!("cell {shown:?} change {:?} {judged:?} {fresh:?}", it.change));
        }
        let sum = pb::RollUpRequest {
            indicator: "doc.count".to_owned(),
            unit: gso("83", "2024-12-31"),
            periods: vec!["2024".to_owned()],
            geography: pb::Geography::AsReported.into(),
            ..Default::default()
        };
        for it in client.roll_up(sum).await.unwrap().into_inner().figures {
            let (sum, all) = (it.computed.as_ref().map(figure), it.coverage.as_ref().unwrap());
            facts.push(format!(
                "sum {} {sum:?} {:?} {}/{}",
                it.period,
                all.state(),
                all.reported,
                all.expected
            ));
        }
        let rank = pb::RankUnitsRequest {
            indicator: "doc.count".to_owned(),
            period: "2024".to_owned(),
            below: gso("83", "2024-12-31"),
            level: pb::UnitLevel::Commune.into(),
            ..Default::default()
        };
        let ranks = client.rank_units(rank).await.unwrap().into_inner();
        facts.extend(
            ranks
                .ranked
                .iter()
                .chain(&ranks.unranked)
                .map(|it| format!("rank {} {}", it.rank, name(&it.unit))),
        );
        let available = pb::GetAvailabilityRequest {
            indicators: vec!["doc.count".to_owned()],
            units: gso("28915", "2024-12-31").into_iter().collect(),
            ends_from: "2023-01-01".to_owned(),
            ends_before: "2025-01-01".to_owned(),
            consistency: None,
            ..Default::default()
        };
        for it in client.get_availability(available).await.unwrap().into_inner().cells {
            // How late what is missing is depends on the day.
            let first = instant(&it.first_published_at);
            facts.push(format!(
                "available {} {:?} {first} {:?} due {}",
                it.period,
                it.state(),
                it.status(),
                it.due_date
            ));
        }
        facts
    }
}
