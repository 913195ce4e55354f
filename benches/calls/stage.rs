//! A hub on a store with the demo data in it, served, with keys, and what is asked of it.
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sharehub::{
    access::queries::Issue, caller::SystemCode, db::Db, demo, hub::Hub, limits::Limits,
    log::key::Key as AuditKey, pb, server, stack::measure::Meter, unit,
};
use tonic::transport::Channel;

use crate::{
    bare::Bare,
    engine::Engine,
    wire::{self, Key, PUBLISH, SNAPSHOT, call},
};

pub struct Stage {
    pub url: String,
    pub hub: Arc<Hub>,
    pub channels: Vec<Channel>,
    /// May read everything.
    pub ioc: Key,
    /// May publish indicators.
    pub articles: Key,
}

impl Stage {
    /// A new store on an engine, with the reference data; the demo data too, where it is wanted.
    pub async fn new(engine: &Engine, name: &str) -> Self {
        Self::on(engine.store(name).await).await
    }

    /// Another hub on the same store.
    pub async fn again(&self) -> Self {
        Self::on(self.url.clone()).await
    }

    async fn on(url: String) -> Self {
        let db = Db::open(&url).await.unwrap();
        let (slices, _) = server::start(db, Limits::default(), audit_of()).await.unwrap();
        unit::store::reference::load_reference(&slices.hub).await.unwrap();
        demo::load(&slices.hub, &slices.access).await.unwrap();
        Bare::readers(&url).await.analyze().await;
        let (services, health) = server::services(&slices, &Arc::<Meter>::default()).await.unwrap();
        let channels = wire::channels(&wire::serve(services, health).await).await;
        let hub = slices.hub;
        let (ioc, articles) = (key(&hub, "ioc").await, key(&hub, "articles.demo").await);
        Self { url, hub, channels, ioc, articles }
    }

    pub fn channel(&self, i: usize) -> Channel {
        self.channels[i % self.channels.len()].clone()
    }

    /// Questions for dossiers: different ones, so that nothing answers from the last call.
    pub async fn dossiers(&self) -> Vec<pb::GetDossierRequest> {
        let page = pb::PageRequest { size: 1_000, token: String::new() };
        let list = pb::ListDossiersRequest { page: Some(page), ..Default::default() };
        let path = "/sharehub.v1.DossierService/ListDossiers";
        let answer = call::<_, pb::ListDossiersResponse>(self.channel(0), path, list, &self.ioc);
        let ask = |it: pb::Dossier| pb::GetDossierRequest { code: it.code, ..Default::default() };
        answer.await.unwrap().dossiers.into_iter().map(ask).collect()
    }

    /// So many communes.
    pub async fn communes(&self, count: i32) -> Vec<i64> {
        let list = pb::ListUnitsRequest {
            date: "2026-01-01".to_owned(),
            level: pb::UnitLevel::Commune.into(),
            page: Some(pb::PageRequest { size: count, token: String::new() }),
            ..Default::default()
        };
        let path = "/sharehub.v1.UnitService/ListUnits";
        let units = call::<_, pb::ListUnitsResponse>(self.channel(0), path, list, &self.articles);
        units.await.unwrap().units.into_iter().map(|it| it.id).collect()
    }

    /// Defines indicators with these codes.
    pub async fn define(&self, codes: &[String]) {
        let indicators = codes
            .iter()
            .map(|code| pb::Indicator {
                code: code.clone(),
                name_vi: code.clone(),
                kind: pb::IndicatorKind::Count.into(),
                unit_of_measure: "things".to_owned(),
                direction: pb::IndicatorDirection::MoreIsBetter.into(),
                frequency: pb::ReportFrequency::Month.into(),
                time_rule: pb::TimeRule::Sum.into(),
                unit_rule: pb::UnitRule::Sum.into(),
                authoritative_source: "articles.demo".to_owned(),
                collection_level: pb::UnitLevel::Commune.into(),
                calendar: pb::ReportCalendar::Calendar.into(),
                tree: pb::UnitTree::Territory.into(),
                ..Default::default()
            })
            .collect();
        let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let path = "/sharehub.v1.IndicatorService/DefineIndicators";
        let key = &self.articles;
        let defined =
            call::<_, pb::DefineIndicatorsResponse>(self.channel(0), path, define, key).await;
        assert_eq!(defined.unwrap().receipt.unwrap().rejected, 0);
    }

    /// Defines a count by months with three exhaustive dimensions.
    pub async fn define_cube(&self, code: &str) {
        self.define(&[code.to_owned()]).await;
        let dimension = |name: &str, categories: &[&str]| pb::IndicatorDimension {
            code: name.to_owned(),
            name_vi: name.to_owned(),
            rule: pb::DimensionRule::Sum.into(),
            exhaustive: true,
            categories: categories
                .iter()
                .map(|it| pb::DimensionCategory {
                    code: (*it).to_owned(),
                    name_vi: (*it).to_owned(),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        };
        let dimensions = vec![
            dimension("age", &["young", "middle", "old"]),
            dimension("channel", &["online", "desk", "post"]),
            dimension("sex", &["f", "m"]),
        ];
        let get = pb::GetIndicatorRequest { code: code.to_owned(), ..Default::default() };
        let path = "/sharehub.v1.IndicatorService/GetIndicator";
        let key = &self.articles;
        let plain = call::<_, pb::GetIndicatorResponse>(self.channel(0), path, get, key).await;
        let plain = plain.unwrap().indicator.unwrap();
        let indicators = vec![pb::Indicator { dimensions, ..plain }];
        let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let path = "/sharehub.v1.IndicatorService/DefineIndicators";
        call::<_, pb::DefineIndicatorsResponse>(self.channel(0), path, define, key).await.unwrap();
    }

    /// Every commune of today with its province.
    pub async fn communes_of_provinces(&self) -> Vec<(i64, i64)> {
        let (mut pairs, mut token) = (Vec::new(), String::new());
        loop {
            let list = pb::ListUnitsRequest {
                date: "2026-01-01".to_owned(),
                level: pb::UnitLevel::Commune.into(),
                page: Some(pb::PageRequest { size: 1_000, token }),
                ..Default::default()
            };
            let path = "/sharehub.v1.UnitService/ListUnits";
            let key = &self.articles;
            let page = call::<_, pb::ListUnitsResponse>(self.channel(0), path, list, key).await;
            let page = page.unwrap();
            pairs.extend(page.units.iter().map(|unit| {
                let stands = |it: &&pb::UnitParent| {
                    it.tree() == pb::UnitTree::Territory && it.valid_before.is_empty()
                };
                let parent = unit.parents.iter().find(stands).unwrap();
                (unit.id, parent.parent.as_ref().unwrap().id)
            }));
            token = page.next_page_token;
            if token.is_empty() {
                return pairs;
            }
        }
    }

    /// Publishes the same value for each indicator, unit and period.
    pub async fn publish(&self, codes: &[String], units: &[i64], periods: &[&str]) {
        let mut observations = Vec::new();
        for (unit, code) in units.iter().flat_map(|unit| codes.iter().map(move |it| (unit, it))) {
            for period in periods {
                observations.push(entry(code, *unit, period, "1234"));
            }
        }
        let publish = pb::PublishObservationsRequest { observations, ..Default::default() };
        let key = &self.articles;
        let published =
            call::<_, pb::PublishObservationsResponse>(self.channel(0), PUBLISH, publish, key);
        assert_eq!(published.await.unwrap().receipt.unwrap().rejected, 0);
    }

    async fn publish_targets(&self, codes: &[String], units: &[i64]) {
        let mut targets = Vec::new();
        for (unit, code) in units.iter().flat_map(|unit| codes.iter().map(move |it| (unit, it))) {
            targets.push(pb::TargetEntry {
                indicator: code.clone(),
                unit: unit_ref(*unit),
                period: "2026".to_owned(),
                comparison: pb::TargetComparison::AtLeast.into(),
                value: Some("2000".to_owned()),
                ..Default::default()
            });
        }
        let publish = pb::PublishTargetsRequest { targets, ..Default::default() };
        let path = "/sharehub.v1.IndicatorService/PublishTargets";
        let key = &self.articles;
        let published =
            call::<_, pb::PublishTargetsResponse>(self.channel(0), path, publish, key).await;
        assert_eq!(published.unwrap().receipt.unwrap().rejected, 0);
    }

    /// Ten indicators in ten communes, each with three months of values and a target: a hundred values.
    pub async fn hundred_values(&self) -> pb::GetSnapshotRequest {
        let units = self.communes(10).await;
        let codes: Vec<_> = (0..10).map(|it| format!("bench.count-{it}")).collect();
        self.define(&codes).await;
        self.publish(&codes, &units, &["2026-01", "2026-02", "2026-03"]).await;
        self.publish_targets(&codes, &units).await;
        let ask = snapshot_of(&codes, &units);
        let answer = self.ask_snapshot(ask.clone()).await;
        assert_eq!(answer.cells.iter().filter(|it| it.latest.is_some()).count(), 100);
        ask
    }

    pub async fn ask_snapshot(&self, ask: pb::GetSnapshotRequest) -> pb::GetSnapshotResponse {
        call(self.channel(0), SNAPSHOT, ask, &self.ioc).await.unwrap()
    }
}

pub fn snapshot_of(codes: &[String], units: &[i64]) -> pb::GetSnapshotRequest {
    let units = units.iter().map(|it| pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(*it)) });
    pb::GetSnapshotRequest {
        units: units.collect(),
        indicators: codes.to_vec(),
        ..Default::default()
    }
}

fn unit_ref(id: i64) -> Option<pb::UnitRef> {
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(id)) })
}

pub fn entry(code: &str, unit: i64, period: &str, value: &str) -> pb::ObservationEntry {
    pb::ObservationEntry {
        indicator: code.to_owned(),
        unit: unit_ref(unit),
        period: period.to_owned(),
        value: Some(value.to_owned()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    }
}

/// What the keys of the benches' audit logs are made from.
const AUDIT_SEED: [u8; 32] = [7; 32];

/// The key of a bench's audit log.
pub fn audit_of() -> AuditKey {
    AuditKey::from_seed(&AUDIT_SEED).unwrap()
}

/// The same as a file in a folder: PKCS #8 in PEM.
pub fn audit_key(dir: &Path) -> PathBuf {
    let path = dir.join("audit-key");
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let key = STANDARD.encode([head.as_slice(), &AUDIT_SEED].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&path, pem).unwrap();
    path
}

pub async fn key(hub: &Arc<Hub>, system: &str) -> Key {
    let system = SystemCode::parse(system).unwrap();
    let (key, _, _) =
        sharehub::access::store::issue_key(hub, Issue { system, expires_at: None }).await.unwrap();
    wire::bearer(&key)
}
