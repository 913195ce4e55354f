//! What is computed tells nothing that single reads do not: for every subset of a small tree, figures that a reader of
//! that subset could not read are changed or taken away, and no answer to it changes by a byte.
//!
//! `SHAREHUB_TEST_SUBSETS` says how many subsets; all of them are 63.
//!
//! Districts `d1` (communes `a`, `b`) and `d2` (`c`) in a province; `a` and `c` became `m`, below `d1`, on 2023-01-01.
use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sharehub::pb;

use crate::support::{
    client::{Client, Grants, agreement, all_indicators, id},
    desk::{SOURCE, count, saw},
    engine::scale,
    hub::Hub,
};
use pb::{
    AgreementOperation::Read,
    Geography,
    UnitLevel::{Commune, District, Province},
    UnitTree::Territory,
    agreement::Dataset,
};

/// The units whose subsets are tried.
const UNITS: [&str; 6] = ["d1", "d2", "a", "b", "c", "m"];

/// Those that report, each with the years in which it does.
const REPORTS: [(&str, &[i32]); 5] = [
    ("a", &[2021, 2022]),
    ("b", &[2021, 2022, 2023, 2024]),
    ("c", &[2021, 2022]),
    ("m", &[2023, 2024]),
    ("d2", &[2022]),
];

/// The dates of the trees that figures are restated to.
const DATES: [&str; 2] = ["2022-06-30", "2024-06-30"];

fn unit(code: &str) -> Option<pb::UnitRef> {
    let (scheme, code, date) = (SOURCE.to_owned(), code.to_owned(), String::new());
    let code = pb::UnitCode { scheme, code, date };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

fn entry(
    level: pb::UnitLevel,
    code: &str,
    parent: &str,
    from: &str,
    before: &str,
) -> pb::UnitEntry {
    let (scheme, code) = (SOURCE.to_owned(), code.to_owned());
    let parents = (!parent.is_empty()).then(|| pb::UnitParentEntry {
        tree: Territory.into(),
        parent: unit(parent),
        ..Default::default()
    });
    pb::UnitEntry {
        level: level.into(),
        name: format!("Đơn vị {code}"),
        valid_from: from.to_owned(),
        valid_before: before.to_owned(),
        codes: vec![pb::UnitCodeSpan { scheme, code, ..Default::default() }],
        parents: parents.into_iter().collect(),
        ..Default::default()
    }
}

fn merged(before: &str) -> pb::SuccessionEntry {
    pb::SuccessionEntry {
        predecessor: unit(before),
        successor: unit("m"),
        kind: pb::SuccessionKind::Merge.into(),
        effective_date: "2023-01-01".to_owned(),
        transfer: pb::TransferExtent::Whole.into(),
        legal_act: "Nghị quyết".to_owned(),
        source: "tests".to_owned(),
        ..Default::default()
    }
}

async fn start() -> (Hub, Client, BTreeMap<i64, &'static str>) {
    let hub = Hub::start().await;
    let source = hub.system(SOURCE, Grants { publish_units: true, ..all_indicators() }).await;
    let units = vec![
        entry(Province, "p", "", "", ""),
        entry(District, "d1", "p", "", ""),
        entry(District, "d2", "p", "", ""),
        entry(Commune, "a", "d1", "", "2023-01-01"),
        entry(Commune, "b", "d1", "", ""),
        entry(Commune, "c", "d2", "", "2023-01-01"),
        entry(Commune, "m", "d1", "2023-01-01", ""),
    ];
    let successions = vec![merged("a"), merged("c")];
    let request = pb::PublishUnitsRequest { units, successions, ..Default::default() };
    let made = source.units().publish_units(request).await.unwrap().into_inner().receipt.unwrap();
    let names = made.results.iter().map(|it| it.id).zip(["p", "d1", "d2", "a", "b", "c", "m"]);
    (hub, source, names.collect())
}

async fn publish(source: &Client, code: &str, value: impl Fn(&str, i32) -> Option<i32>) {
    let of = |year: i32, name: &'static str| Some((name, year, value(name, year)?));
    let all = REPORTS.iter().flat_map(|(name, years)| years.iter().map(move |it| (*it, *name)));
    let said = all.filter_map(|(year, name)| of(year, name)).map(|(name, year, value)| {
        let said = saw(code, "", &year.to_string(), &value.to_string());
        pb::ObservationEntry { unit: unit(name), ..said }
    });
    let request =
        pb::PublishObservationsRequest { observations: said.collect(), ..Default::default() };
    source.indicators().publish_observations(request).await.unwrap();
}

/// What everybody reported: no two values, and no two sums of values, are the same.
fn reported(name: &str, year: i32) -> i32 {
    let place = REPORTS.iter().position(|it| it.0 == name).unwrap();
    (1 << (2 * place)) * 100 + (year - 2020)
}

/// Every answer about an indicator that a reader gets by computing, as bytes without what names the indicator.
async fn computed(
    reader: &Client,
    code: &str,
    ids: &BTreeMap<&str, i64>,
) -> Vec<(String, Vec<u8>)> {
    let mut told = Vec::new();
    let mut rpc = reader.indicators();
    for name in UNITS.iter().chain(&["p"]) {
        for year in 2021..=2024 {
            for date in [None, Some(DATES[0]), Some(DATES[1])] {
                let request = pb::RollUpRequest {
                    indicator: code.to_owned(),
                    unit: id(ids[name]),
                    periods: vec![year.to_string()],
                    geography: date.map_or(Geography::AsReported, |_| Geography::AsOf).into(),
                    as_of: date.unwrap_or_default().to_owned(),
                    ..Default::default()
                };
                let bytes = match rpc.roll_up(request).await {
                    Ok(answer) => {
                        let mut answer = answer.into_inner();
                        answer.read_at = None;
                        answer.figures.iter_mut().for_each(|it| it.reported = None);
                        answer.encode_to_vec()
                    }
                    Err(status) => format!("{:?} {}", status.code(), status.message()).into_bytes(),
                };
                let bytes = String::from_utf8_lossy(&bytes).replace(code, "CODE").into_bytes();
                told.push((format!("{name} {year} {date:?}"), bytes));
            }
        }
    }
    for (level, year) in [(District, 2022), (Commune, 2022), (Province, 2024)] {
        let request = pb::RankUnitsRequest {
            indicator: code.to_owned(),
            period: year.to_string(),
            level: level.into(),
            rolled_up: true,
            ..Default::default()
        };
        let answer = rpc.rank_units(request).await.unwrap().into_inner();
        let order = |all: &[pb::RankedUnit]| {
            let of = |it: &pb::RankedUnit| (it.rank, it.unit.clone().unwrap().id);
            all.iter().map(of).collect::<Vec<_>>()
        };
        let both = (order(&answer.ranked), order(&answer.unranked));
        told.push((format!("rank {level:?} {year}"), format!("{both:?}").into_bytes()));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_computed_tells_nothing_that_single_reads_do_not() {
    let (hub, source, names) = start().await;
    let ids: BTreeMap<_, _> = names.iter().map(|(id, name)| (*name, *id)).collect();
    let (mut compared, mut readers, mut visible_ever) = (0, 0, BTreeSet::new());
    let all = 1_usize << UNITS.len();
    // Some of them, far apart; the last one has every unit.
    let apart = (all / scale("SHAREHUB_TEST_SUBSETS", 6_usize).clamp(1, all - 1)).max(1);
    for mask in (1..all).rev().step_by(apart) {
        readers += 1;
        let inside: Vec<_> = UNITS
            .iter()
            .enumerate()
            .filter(|(n, _)| mask & (1 << n) != 0)
            .map(|it| *it.1)
            .collect();
        let (one, other) = (format!("s{mask:02}.one"), format!("s{mask:02}.two"));
        let define = pb::DefineIndicatorsRequest {
            indicators: vec![count(&one), count(&other)],
            ..Default::default()
        };
        source.indicators().define_indicators(define).await.unwrap();
        publish(&source, &one, |name, year| Some(reported(name, year))).await;
        let system = format!("reader{mask:02}");
        let reader = hub.system(&system, Grants::default()).await;
        let patterns = vec![format!("s{mask:02}.*")];
        let numbers = Dataset::Indicators(pb::IndicatorDataset { patterns });
        let terms = agreement(&format!("{system}.n"), &system, &[Read], numbers);
        let units = inside.iter().filter_map(|it| id(ids[it])).collect();
        hub.grant(pb::Agreement { units, tree: Territory.into(), ..terms }).await;
        let query =
            pb::QueryObservationsRequest { indicators: vec![one.clone()], ..Default::default() };
        let read = reader.indicators().query_observations(query).await.unwrap().into_inner();
        let of = |it: &pb::Observation| {
            (names[&it.unit.as_ref().unwrap().id], it.period.parse::<i32>().unwrap())
        };
        let visible: BTreeSet<_> = read.observations.iter().map(of).collect();
        // What could not be read is another number, or is not there.
        publish(&source, &other, |name, year| match visible.contains(&(name, year)) {
            true => Some(reported(name, year)),
            false if (year + i32::try_from(mask).unwrap()) % 2 == 0 => None,
            false => Some(reported(name, year) + 7),
        })
        .await;
        let (first, second) =
            (computed(&reader, &one, &ids).await, computed(&reader, &other, &ids).await);
        compared += first.len();
        for (first, second) in first.into_iter().zip(second) {
            assert!(first == second, "{inside:?} sees {visible:?}; {}", first.0);
        }
        visible_ever.extend(visible);
    }
    assert_eq!(visible_ever.len(), REPORTS.iter().map(|it| it.1.len()).sum::<usize>());
    println!("{compared} answers to {readers} readers, none of which tells more than single reads");
}
