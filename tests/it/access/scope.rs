//! The scope of an agreement is judged at the day that a datum speaks of: what a unit once was below opens nothing of
//! today, and what it is below today opens nothing of before.
//!
//! District `d1` has the communes `a` (until 2021) and `b`; `d2` has `c`, and `a` since 2022. For two days of 2020 `c`
//! was also below `d1`, in the other tree.
use std::collections::{BTreeMap, BTreeSet};

use sharehub::pb::{self, watch_request::From};

use crate::support::{
    client::{Client, Grants, agreement, all_indicators, refusal},
    desk::{SOURCE, count, saw, target},
    dossiers,
    history::{self, History, indicators},
    hub::Hub,
};
use pb::{
    AgreementOperation::{Read, Watch},
    agreement::Dataset,
};

/// The scheme of the codes of the units here: those of the source.
fn unit(code: &str, date: &str) -> Option<pb::UnitRef> {
    let (scheme, code, date) = (SOURCE.to_owned(), code.to_owned(), date.to_owned());
    let code = pb::UnitCode { scheme, code, date };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

fn entry(
    level: pb::UnitLevel,
    code: &str,
    links: &[(&str, pb::UnitTree, &str, &str)],
) -> pb::UnitEntry {
    let link =
        |(parent, tree, from, before): &(&str, pb::UnitTree, &str, &str)| pb::UnitParentEntry {
            tree: (*tree).into(),
            parent: unit(parent, ""),
            valid_from: (*from).to_owned(),
            valid_before: (*before).to_owned(),
        };
    let (scheme, code) = (SOURCE.to_owned(), code.to_owned());
    pb::UnitEntry {
        level: level.into(),
        name: format!("Đơn vị {code}"),
        codes: vec![pb::UnitCodeSpan { scheme, code, ..Default::default() }],
        parents: links.iter().map(link).collect(),
        ..Default::default()
    }
}

/// A hub with the units, with yearly values, targets and dossiers of each, and two readers: one of each district.
struct World {
    hub: Hub,
    source: Client,
    d1: Client,
    d2: Client,
    all: Client,
    names: BTreeMap<i64, String>,
}

const YEARS: std::ops::RangeInclusive<i32> = 2019..=2024;

/// What a commune reported for a year: no two values are the same.
fn value(commune: &str, year: i32) -> String {
    let base = ["a", "b", "c"].iter().position(|it| *it == commune).unwrap();
    format!("{}", 1_000 * (base + 1) + usize::try_from(year - 2000).unwrap())
}

/// The years of which a district sees a commune.
fn shared(district: &str, commune: &str, year: i32) -> bool {
    match (district, commune) {
        ("d1", "a") => year <= 2021,
        ("d1", "b") | ("d2", "c") => true,
        ("d2", "a") => year >= 2022,
        _ => false,
    }
}

impl World {
    async fn start(tree: pb::UnitTree) -> Self {
        use pb::UnitLevel::{Commune, District, Province};
        let territory = pb::UnitTree::Territory;
        let hub = Hub::start().await;
        let everything = Grants {
            publish_units: true,
            publish_dossiers: true,
            define_procedures: true,
            ..all_indicators()
        };
        let source = hub.system(SOURCE, everything).await;
        let units = vec![
            entry(Province, "p", &[]),
            entry(District, "d1", &[("p", territory, "", "")]),
            entry(District, "d2", &[("p", territory, "", "")]),
            entry(
                Commune,
                "a",
                &[("d1", territory, "", "2022-01-01"), ("d2", territory, "2022-01-01", "")],
            ),
            entry(Commune, "b", &[("d1", territory, "", "")]),
            entry(
                Commune,
                "c",
                &[
                    ("d2", territory, "", ""),
                    ("d1", pb::UnitTree::Administration, "2020-03-01", "2020-03-03"),
                ],
            ),
        ];
        let request = pb::PublishUnitsRequest { units, ..Default::default() };
        let made = source.units().publish_units(request).await.unwrap().into_inner();
        let ids = made.receipt.unwrap().results.into_iter().map(|it| it.id);
        let names = ids.zip(["p", "d1", "d2", "a", "b", "c"].map(str::to_owned)).collect();
        let define =
            pb::DefineIndicatorsRequest { indicators: vec![count("n")], ..Default::default() };
        source.indicators().define_indicators(define).await.unwrap();
        let (mut observations, mut targets) = (Vec::new(), Vec::new());
        for (commune, year) in ["a", "b", "c"].iter().flat_map(|it| YEARS.map(move |y| (it, y))) {
            let (of, period) = (unit(commune, ""), year.to_string());
            let said = saw("n", "", &period, &value(commune, year));
            observations.push(pb::ObservationEntry { unit: of.clone(), ..said });
            let aimed = target("n", "", &period, pb::TargetComparison::AtLeast, "1");
            targets.push(pb::TargetEntry { unit: of, ..aimed });
        }
        let publish = pb::PublishObservationsRequest { observations, ..Default::default() };
        source.indicators().publish_observations(publish).await.unwrap();
        let publish = pb::PublishTargetsRequest { targets, ..Default::default() };
        source.indicators().publish_targets(publish).await.unwrap();
        dossiers::define(&source, vec![dossiers::procedure("1.004194")]).await;
        let all = ["a", "b", "c"].iter().flat_map(|it| YEARS.map(move |year| (it, year)));
        let all = all.map(|(commune, year)| {
            let event = dossiers::event(&format!("{year}-05-05 09:00"), "2");
            pb::DossierEntry {
                receiving_unit: unit(commune, ""),
                ..dossiers::entry(&format!("H61.{commune}.{year}"), vec![event])
            }
        });
        assert_eq!(dossiers::publish(&source, all.collect()).await.rejected, 0);
        let (mut readers, open) = (Vec::new(), || Dataset::Dossiers(pb::DossierDataset::default()));
        for system in ["d1", "d2"] {
            let client = hub.system(system, Grants::default()).await;
            let numbers = Dataset::Indicators(pb::IndicatorDataset { patterns: vec!["*".into()] });
            let of = |code: String, dataset| pb::Agreement {
                units: unit(system, "").into_iter().collect(),
                tree: tree.into(),
                ..agreement(&code, system, &[Read, Watch], dataset)
            };
            let agreements =
                vec![of(format!("{system}.n"), numbers), of(format!("{system}.h"), open())];
            hub.agree(system, agreements).await;
            readers.push(client);
        }
        let grants =
            Grants { read_indicators: vec!["*".into()], read_dossiers: true, ..Default::default() };
        let all = hub.system("all", grants).await;
        let [d1, d2] = readers.try_into().unwrap_or_else(|_| unreachable!());
        Self { hub, source, d1, d2, all, names }
    }

    fn reader(&self, district: &str) -> &Client {
        if district == "d1" { &self.d1 } else { &self.d2 }
    }

    /// `a 2021`
    fn told(&self, unit: Option<&pb::UnitName>, period: &str) -> String {
        format!("{} {period}", self.names[&unit.unwrap().id])
    }
}

/// What a district sees.
fn expected(district: &str) -> BTreeSet<String> {
    let all = ["a", "b", "c"].iter().flat_map(|it| YEARS.map(move |year| (*it, year)));
    let seen = all.filter(|(commune, year)| shared(district, commune, *year));
    seen.map(|(commune, year)| format!("{commune} {year}")).collect()
}

const DISTRICTS: [&str; 2] = ["d1", "d2"];
const TREES: [pb::UnitTree; 2] = [pb::UnitTree::Territory, pb::UnitTree::Administration];

#[tokio::test]
async fn values_are_shared_for_the_days_that_they_speak_of() {
    for tree in TREES {
        let world = World::start(tree).await;
        for district in DISTRICTS {
            let what = format!("{district}, {tree:?}");
            let mut rpc = world.reader(district).indicators();
            let page = Some(pb::PageRequest { size: 1_000, token: String::new() });
            let query = pb::QueryObservationsRequest { page: page.clone(), ..Default::default() };
            let found = rpc.query_observations(query).await.unwrap().into_inner().observations;
            let told = |it: &pb::Observation| world.told(it.unit.as_ref(), &it.period);
            assert_eq!(
                found.iter().map(told).collect::<BTreeSet<_>>(),
                expected(district),
                "{what}"
            );
            let query = pb::QueryTargetsRequest { page, ..Default::default() };
            let found = rpc.query_targets(query).await.unwrap().into_inner().targets;
            let told = |it: &pb::IndicatorTarget| world.told(it.unit.as_ref(), &it.period);
            assert_eq!(
                found.iter().map(told).collect::<BTreeSet<_>>(),
                expected(district),
                "{what}"
            );
            let mut export = rpc
                .export_observations(pb::ExportObservationsRequest::default())
                .await
                .unwrap()
                .into_inner();
            let mut found = BTreeSet::new();
            while let Some(part) = export.message().await.unwrap() {
                let told = |it: &pb::Observation| world.told(it.unit.as_ref(), &it.period);
                found.extend(part.observations.iter().map(told));
            }
            assert_eq!(found, expected(district), "{what}: export");
            let mut history =
                History::of(vec![indicators(&[]), history::dossiers(pb::DossierFilter::default())]);
            let client = world.reader(district);
            let mut watch = history.watch(client, Some(From::Beginning(true))).await.unwrap();
            history.until(&mut watch, world.hub.hub.revisions.head().newest.number).await;
            let of = |kind: &str| history.copy.keys().filter(|it| it.starts_with(kind)).count();
            assert_eq!(
                of("observation"),
                expected(district).len(),
                "{what}: {:?}",
                history.copy.keys()
            );
            assert_eq!(of("target"), expected(district).len(), "{what}");
            assert_eq!(of("dossier"), expected(district).len(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_cell_holds_nothing_of_the_days_on_which_it_was_not_shared() {
    let world = World::start(pb::UnitTree::Territory).await;
    let ask = async |who: &Client, period: &str, date: &str| {
        let request = pb::GetSnapshotRequest {
            units: unit("a", "").into_iter().collect(),
            indicators: vec!["n".to_owned()],
            period: period.to_owned(),
            date: date.to_owned(),
            ..Default::default()
        };
        who.indicators().get_snapshot(request).await.map(|it| it.into_inner().cells.remove(0))
    };
    let shown = |it: &Option<pb::Observation>| {
        it.as_ref().map(|it| it.figure.as_ref().unwrap().value.clone().unwrap())
    };
    // Twice: the second time the cells of whoever sees all are kept.
    for _ in 0..2 {
        let cell = ask(&world.all, "", "2024-06-01").await.unwrap();
        assert_eq!(shown(&cell.latest), Some(value("a", 2024)));
        assert_eq!(refusal(ask(&world.d1, "", "2024-06-01").await).1, "NOT_FOUND");
        let cell = ask(&world.d1, "", "2021-12-31").await.unwrap();
        assert_eq!(shown(&cell.latest), Some(value("a", 2021)));
        assert_eq!(shown(&cell.previous), Some(value("a", 2020)));
        let cell = ask(&world.d1, "2021", "").await.unwrap();
        assert_eq!(shown(&cell.latest), Some(value("a", 2021)));
        assert_eq!(refusal(ask(&world.d1, "2022", "").await).1, "NOT_FOUND");
        assert_eq!(refusal(ask(&world.d2, "2021", "").await).1, "NOT_FOUND");
        let cell = ask(&world.d2, "2022", "").await.unwrap();
        assert_eq!(shown(&cell.latest), Some(value("a", 2022)));
        assert_eq!((shown(&cell.previous), shown(&cell.year_before)), (None, None));
        assert!(cell.target.is_some_and(|it| it.period == "2022"));
        let cell = ask(&world.d2, "", "2024-06-01").await.unwrap();
        assert_eq!(shown(&cell.latest), Some(value("a", 2024)));
        assert_eq!(shown(&cell.previous), Some(value("a", 2023)));
    }
    let revisions = async |who: &Client, period: &str| {
        let (unit, period) = (unit("a", ""), period.to_owned());
        let list = pb::ListRevisionsRequest {
            indicator: "n".to_owned(),
            unit,
            period,
            ..Default::default()
        };
        who.indicators().list_revisions(list).await
    };
    assert_eq!(revisions(&world.d1, "2021").await.unwrap().into_inner().versions.len(), 1);
    assert_eq!(refusal(revisions(&world.d1, "2022").await).1, "NOT_FOUND");
}

#[tokio::test]
async fn what_is_computed_uses_what_could_be_read_one_by_one() {
    let world = World::start(pb::UnitTree::Territory).await;
    let sum = async |who: &Client, of: &str, period: &str, date: Option<&str>| {
        let request = pb::RollUpRequest {
            indicator: "n".to_owned(),
            unit: unit(of, ""),
            periods: vec![period.to_owned()],
            geography: match date {
                None => pb::Geography::AsReported.into(),
                Some(_) => pb::Geography::AsOf.into(),
            },
            as_of: date.unwrap_or_default().to_owned(),
            ..Default::default()
        };
        let figure = who.indicators().roll_up(request).await?.into_inner().figures.remove(0);
        let coverage = figure.coverage.unwrap();
        let named = |it: &pb::LeftOutUnit| {
            (world.names[&it.unit.as_ref().unwrap().id].clone(), it.reason())
        };
        let left_out: Vec<_> = coverage.left_out.iter().map(named).collect();
        Ok::<_, tonic::Status>((figure.computed.unwrap().value, left_out))
    };
    let add = |all: &[(&str, i32)]| {
        let all = all.iter().map(|(commune, year)| value(commune, *year).parse::<i64>().unwrap());
        Some(all.sum::<i64>().to_string())
    };
    let not_shared = pb::LeftOutReason::NotShared;
    let (d1, d2) = (&world.d1, &world.d2);
    let told = sum(d1, "d1", "2021", None).await.unwrap();
    assert_eq!(told, (add(&[("a", 2021), ("b", 2021)]), vec![]));
    assert_eq!(sum(d1, "d1", "2024", None).await.unwrap(), (add(&[("b", 2024)]), vec![]));
    // As the tree stands in 2024, the year 2021 of `a` is in `d2`: it was not shared with `d2` then.
    let told = sum(d2, "d2", "2021", Some("2024-06-01")).await.unwrap();
    assert_eq!(told, (add(&[("c", 2021)]), vec![("a".to_owned(), not_shared)]));
    let told = sum(d1, "d1", "2024", Some("2021-06-01")).await.unwrap();
    assert_eq!(told, (add(&[("b", 2024)]), vec![("a".to_owned(), not_shared)]));
    let told = sum(&world.all, "d2", "2021", Some("2024-06-01")).await.unwrap();
    assert_eq!(told, (add(&[("a", 2021), ("c", 2021)]), vec![]));
    assert_eq!(refusal(sum(d1, "p", "2021", None).await).1, "NOT_FOUND");

    let ranked = async |who: &Client, period: &str| {
        let request = pb::RankUnitsRequest {
            indicator: "n".to_owned(),
            period: period.to_owned(),
            level: pb::UnitLevel::Commune.into(),
            ..Default::default()
        };
        let ranked = who.indicators().rank_units(request).await.unwrap().into_inner().ranked;
        let names = ranked.iter().map(|it| world.names[&it.unit.as_ref().unwrap().id].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(ranked(d1, "2021").await, ["b", "a"]);
    assert_eq!(ranked(d1, "2024").await, ["b"]);
    assert_eq!(ranked(d2, "2021").await, ["c"]);
    let available = async |who: &Client| {
        let request = pb::GetAvailabilityRequest {
            indicators: vec!["n".to_owned()],
            units: unit("a", "").into_iter().collect(),
            ends_from: "2019-01-01".to_owned(),
            ends_before: "2025-01-01".to_owned(),
            ..Default::default()
        };
        let cells = who.indicators().get_availability(request).await.unwrap().into_inner().cells;
        cells.into_iter().map(|it| it.period).collect::<Vec<_>>()
    };
    assert_eq!(available(d1).await, ["2019", "2020", "2021"]);
    assert_eq!(available(d2).await, ["2022", "2023", "2024"]);
}

#[tokio::test]
async fn dossiers_are_shared_by_where_they_were_received_on_that_day() {
    for tree in TREES {
        let world = World::start(tree).await;
        for district in DISTRICTS {
            let client = world.reader(district);
            let code = |it: &str| format!("H61.{}", it.replace(' ', "."));
            let expected: BTreeSet<_> = expected(district).iter().map(|it| code(it)).collect();
            let page = Some(pb::PageRequest { size: 1_000, token: String::new() });
            let list = pb::ListDossiersRequest { page, ..Default::default() };
            let listed = client.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers;
            let listed: BTreeSet<_> = listed.into_iter().map(|it| it.code).collect();
            assert_eq!(listed, expected, "{district}, {tree:?}");
            for (commune, year) in ["a", "b", "c"].iter().flat_map(|it| YEARS.map(move |y| (it, y)))
            {
                let code = format!("H61.{commune}.{year}");
                let (get, look) = (
                    dossiers::ask(&code),
                    pb::LookUpDossierRequest { code: code.clone(), ..Default::default() },
                );
                let (got, looked) = (
                    client.dossiers().get_dossier(get).await,
                    client.dossiers().look_up_dossier(look).await,
                );
                let is_shared = expected.contains(&code);
                assert_eq!((got.is_ok(), looked.is_ok()), (is_shared, is_shared), "{code}");
            }
            let request =
                pb::SummarizeDossiersRequest { period: "2023".to_owned(), ..Default::default() };
            let counted = client.dossiers().summarize_dossiers(request).await.unwrap().into_inner();
            let received = counted.total.unwrap().received;
            let of_2023 = expected.iter().filter(|it| it.ends_with("2023")).count();
            assert_eq!(received, i64::try_from(of_2023).unwrap(), "{district}, {tree:?}");
        }
        drop(world.source);
    }
}

#[tokio::test]
async fn an_agreement_over_units_names_their_tree() {
    let world = World::start(pb::UnitTree::Territory).await;
    let numbers = Dataset::Indicators(pb::IndicatorDataset { patterns: vec!["*".into()] });
    let bad = pb::Agreement {
        units: unit("d1", "").into_iter().collect(),
        tree: 0,
        ..agreement("d1.bad", "d1", &[Read], numbers)
    };
    let request = pb::GrantAgreementRequest { agreement: Some(bad), ..Default::default() };
    let (_, reason, fields) = refusal(world.hub.admin().access().grant_agreement(request).await);
    assert_eq!((reason.as_str(), fields), ("FIELD_INVALID", vec!["agreement.tree".to_owned()]));
}
