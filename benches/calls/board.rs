//! A board of 2,000 cells by selection beside an echo of the same bytes, and a roll-up of every commune beside the same
//! SQL by hand.
use std::{collections::BTreeMap, sync::Arc};

use sharehub::pb;

use crate::{
    PASSES,
    bare::{Bare, Month},
    engine::Engine,
    point::echo,
    stage::Stage,
    turns::{median, passes, way},
    wire::{RANK, SNAPSHOT, call, wired},
};

/// Calls in flight: a board and a roll-up are large.
const IN_FLIGHT: [usize; 2] = [1, 4];

/// The breakdown that is added up: one category of each of three dimensions.
const CUT: &str = "age=old,channel=online,sex=f";

pub async fn board(engine: &Engine, stage: &Stage) {
    let codes: Vec<_> = (0..17).map(|it| format!("board.count-{it}")).collect();
    stage.define(&codes).await;
    let ask = pb::GetSnapshotRequest {
        selection: Some(pb::SnapshotSelection {
            below: vinh_long(),
            level: pb::UnitLevel::Commune.into(),
            indicators: vec!["board.*".to_owned()],
            groups: Vec::new(),
        }),
        date: "2026-06-01".to_owned(),
        ..Default::default()
    };
    let empty = stage.ask_snapshot(ask.clone()).await;
    let units: Vec<_> =
        empty.cells.iter().step_by(17).map(|it| it.unit.as_ref().unwrap().id).collect();
    for units in units.chunks(100) {
        stage.publish(&codes, units, &["2026-03", "2026-04", "2026-05"]).await;
    }
    let answer = stage.ask_snapshot(ask.clone()).await;
    let cells = answer.cells.len();
    assert!(answer.cells.iter().all(|it| it.latest.is_some()), "every cell has a value");
    let echo = echo(&pb::GetDossierResponse::default(), &answer).await;
    let wired = |channels: &[tonic::transport::Channel]| {
        let ask = ask.clone();
        wired::<_, pb::GetSnapshotResponse>(channels, SNAPSHOT, &stage.ioc, move |_| ask.clone())
    };
    let ways = [wired(&echo), wired(&stage.channels)];
    let size = prost::Message::encoded_len(&answer);
    println!("\n### GetSnapshot of {cells} cells by selection, {}: {size} bytes\n", engine.name());
    println!(
        "| in flight | echo /s | hub /s | hub / echo | processor µs: echo, hub | echo / hub |"
    );
    println!("|---|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let rates = passes(&ways, in_flight, PASSES).await;
        let of = |i: usize| median(&rates, |it| it[i].calls);
        let cpu = |i: usize| median(&rates, |it| it[i].cpu);
        println!(
            "| {in_flight} | {:.0} | {:.0} | **{:.2}** | {:.0}, {:.0} | {:.2} |",
            of(0),
            of(1),
            median(&rates, |it| it[1].calls / it[0].calls),
            cpu(0),
            cpu(1),
            median(&rates, |it| it[0].cpu / it[1].cpu),
        );
    }
}

pub async fn roll_up(engine: &Engine, stage: &Stage) {
    let code = "cube.count";
    stage.define_cube(code).await;
    let bare = Bare::readers(&stage.url).await;
    let months = months();
    bare.grow_cut(code, CUT, &months).await;
    bare.analyze().await;
    let communes = stage.communes_of_provinces().await;
    bare.parents(&communes).await;
    // Twelve months of every commune of today, as two half-years.
    let halves = ["2025-H2", "2026-H1"];
    let breakdown: BTreeMap<_, _> = CUT
        .split(',')
        .filter_map(|it| it.split_once('='))
        .map(|(key, category)| (key.to_owned(), category.to_owned()))
        .collect();
    let ask = Arc::new(move |i: usize| pb::RankUnitsRequest {
        indicator: code.to_owned(),
        period: halves[i % 2].to_owned(),
        level: pb::UnitLevel::Province.into(),
        rolled_up: true,
        breakdown: breakdown.clone(),
        ..Default::default()
    });
    let mut sums = Vec::new();
    for i in 0..2 {
        let answer: pb::RankUnitsResponse =
            call(stage.channel(0), RANK, ask(i), &stage.ioc).await.unwrap();
        assert_eq!(answer.ranked.len(), 34, "every province has a sum");
        let value = |it: &pb::RankedUnit| -> i64 {
            it.figure.as_ref().unwrap().value.as_ref().unwrap().parse().unwrap()
        };
        sums.push(answer.ranked.iter().map(value).sum::<i64>());
    }
    let by_hand =
        [bare.sums(code, CUT, &months[..6]).await, bare.sums(code, CUT, &months[6..]).await];
    assert_eq!(by_hand.map(|it| it.iter().sum::<i64>()).to_vec(), sums, "both add up the same");
    let asked = Arc::clone(&ask);
    let hub =
        wired::<_, pb::RankUnitsResponse>(&stage.channels, RANK, &stage.ioc, move |i| asked(i));
    let months = Arc::new(months);
    let sql = way(move |i| {
        let (bare, months) = (bare.clone(), Arc::clone(&months));
        async move {
            let half = if i % 2 == 0 { &months[..6] } else { &months[6..] };
            bare.sums("cube.count", CUT, half).await.len() == 34
        }
    });
    let ways = [sql, hub];
    println!(
        "\n### Roll-up of {} communes x 12 months, one of 18 categories of 3 dimensions, {}\n",
        communes.len(),
        engine.name()
    );
    println!("| in flight | SQL /s | hub /s | time: hub / SQL | processor ms: SQL, hub |");
    println!("|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let rates = passes(&ways, in_flight, PASSES).await;
        let of = |i: usize| median(&rates, |it| it[i].calls);
        let cpu = |i: usize| median(&rates, |it| it[i].cpu / 1e3);
        println!(
            "| {in_flight} | {:.1} | {:.1} | **{:.2}** | {:.1}, {:.1} |",
            of(0),
            of(1),
            median(&rates, |it| it[0].calls / it[1].calls),
            cpu(0),
            cpu(1),
        );
    }
}

/// The province that took in Bến Tre and Trà Vinh.
fn vinh_long() -> Option<pb::UnitRef> {
    let code =
        pb::UnitCode { code: "86".to_owned(), date: "2026-06-01".to_owned(), ..Default::default() };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

/// The months from 2025-07 to 2026-06.
fn months() -> Vec<Month> {
    let day = |year: i32, month: u32| {
        i64::from(sharehub::time::Day::from_ymd(year, month, 1).unwrap().number())
    };
    let month = |n: u32| {
        let of = |n: u32| (2025 + i32::try_from((6 + n) / 12).unwrap(), (6 + n) % 12 + 1);
        let ((year, month), (next_year, next)) = (of(n), of(n + 1));
        let code = format!("{year}-{month:02}");
        Month { code, from: day(year, month), to: day(next_year, next) - 1 }
    };
    (0..12).map(month).collect()
}
