//! What a read costs while the store grows: the same questions at 100,000 observations and at many more.
use sharehub::pb;

use crate::{
    bare::{Bare, Month},
    engine::Engine,
    stage::{Stage, snapshot_of},
    turns::{Way, median, passes},
    wire::{DOSSIER, QUERY, SNAPSHOT, call, wired},
};

/// Indicators, and months of each in every one of the 3,321 communes: both grow.
const STEPS: [(usize, usize); 4] = [(10, 3), (15, 6), (25, 12), (50, 30)];
/// Calls in flight.
const IN_FLIGHT: usize = 4;
const PASSES: usize = 5;
const COMMUNES: usize = 3_321;

pub async fn growth(engine: &Engine, stage: &Stage) {
    let most = std::env::vars().find(|(key, _)| key == "SHAREHUB_BENCH_OBSERVATIONS");
    let most: usize = most.map_or(300_000, |(_, it)| it.parse().unwrap());
    let codes: Vec<_> = (0..50).map(|it| format!("bench.grow-{it:02}")).collect();
    stage.define(&codes).await;
    let mut units = Vec::new();
    for chunk in stage.communes(1_000).await.chunks(500) {
        units.extend_from_slice(chunk);
    }
    let bare = Bare::open(&stage.url, 1).await;
    println!(
        "\n### Processor time per read while the store grows, {}, {IN_FLIGHT} in flight\n",
        engine.name()
    );
    println!(
        "| observations | GetDossier µs | GetSnapshot of 100 values µs | the same at an older revision µs \
         | QueryObservations, a page of 100 of one indicator µs | from the middle of it µs | of all indicators µs \
         | an echo µs |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut had = (0, 0);
    let mut first: Option<Vec<f64>> = None;
    for (indicators, months) in STEPS {
        if indicators * months * COMMUNES > most + most / 100 {
            break;
        }
        let table: Vec<Month> = (0..months).map(month).collect();
        for (place, code) in codes.iter().take(indicators).enumerate() {
            let from = if place < had.0 { had.1 } else { 0 };
            bare.grow(code, &table[from..]).await;
        }
        had = (indicators, months);
        bare.analyze().await;
        // A hub that has nothing in memory of what was there before.
        let step = stage.again().await;
        let rows = bare.count().await;
        let costs = costs(&step, &codes, &units).await;
        let cells: Vec<_> = costs.iter().map(|it| format!("{it:.0}")).collect();
        println!("| {rows} | {} |", cells.join(" | "));
        match &first {
            None => first = Some(costs),
            Some(first) => {
                let times = costs.iter().zip(first).map(|(now, then)| format!("{:.2}", now / then));
                println!("| times the first | {} |", times.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// Microseconds of processor time that each call takes, client and engine included.
async fn costs(step: &Stage, codes: &[String], units: &[i64]) -> Vec<f64> {
    let dossiers = step.dossiers().await;
    let (ten, all) = (codes[..10].to_vec(), units.to_vec());
    let newest = move |i: usize| {
        let from = i * 10 % (all.len() - 10);
        snapshot_of(&ten, &all[from..from + 10])
    };
    let at = Bare::readers(&step.url).await.head().await;
    let older = newest.clone();
    let older = move |i: usize| {
        let requirement = Some(pb::consistency::Requirement::Exactly(at));
        pb::GetSnapshotRequest { consistency: Some(pb::Consistency { requirement }), ..older(i) }
    };
    let page = |indicators: Vec<String>, token: String| {
        move |_: usize| pb::QueryObservationsRequest {
            indicators: indicators.clone(),
            page: Some(pb::PageRequest { size: 100, token: token.clone() }),
            ..Default::default()
        }
    };
    let middle = middle(step, &codes[4]).await;
    let answer = step.ask_snapshot(newest(0)).await;
    // What a dashboard asks for is asked for again and again: the first time is not what is measured.
    for i in 0..units.len() / 10 {
        step.ask_snapshot(newest(i)).await;
    }
    let echo = crate::point::echo(&pb::GetDossierResponse::default(), &answer).await;
    let (hub, key) = (&step.channels, &step.ioc);
    let ways: [Way; 7] = [
        wired::<_, pb::GetDossierResponse>(hub, DOSSIER, key, move |i| {
            dossiers[i % dossiers.len()].clone()
        }),
        wired::<_, pb::GetSnapshotResponse>(hub, SNAPSHOT, key, newest.clone()),
        wired::<_, pb::GetSnapshotResponse>(hub, SNAPSHOT, key, older),
        wired::<_, pb::QueryObservationsResponse>(
            hub,
            QUERY,
            key,
            page(vec![codes[4].clone()], String::new()),
        ),
        wired::<_, pb::QueryObservationsResponse>(hub, QUERY, key, page(Vec::new(), middle)),
        wired::<_, pb::QueryObservationsResponse>(hub, QUERY, key, page(Vec::new(), String::new())),
        wired::<_, pb::GetSnapshotResponse>(&echo, SNAPSHOT, key, newest),
    ];
    let rates = passes(&ways, IN_FLIGHT, PASSES).await;
    (0..ways.len()).map(|way| median(&rates, |it| it[way].cpu)).collect()
}

/// The token of a page of all indicators that lies in the middle of this one.
async fn middle(step: &Stage, code: &str) -> String {
    let ask = |token: String| pb::QueryObservationsRequest {
        page: Some(pb::PageRequest { size: 1_000, token }),
        ..Default::default()
    };
    let (mut token, mut pages) = (String::new(), Vec::new());
    loop {
        let answer: pb::QueryObservationsResponse =
            call(step.channel(0), QUERY, ask(token), &step.ioc).await.unwrap();
        token = answer.next_page_token;
        match answer.observations.last().map(|it| it.indicator.as_str()) {
            Some(last) if last == code => pages.push(token.clone()),
            _ if !pages.is_empty() => return pages.swap_remove(pages.len() / 2),
            _ => assert!(!token.is_empty(), "there is nothing of {code}"),
        }
    }
}

/// The month with this number, from 2021 on: its code, its first and its last day, counted from 1970.
fn month(number: usize) -> Month {
    use chrono::{Datelike, NaiveDate};
    let day = |number: usize| {
        let (year, month) = (2021 + number / 12, 1 + number % 12);
        let year = i32::try_from(year).unwrap();
        NaiveDate::from_ymd_opt(year, u32::try_from(month).unwrap(), 1).unwrap()
    };
    let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap().num_days_from_ce();
    let (from, next) = (day(number), day(number + 1));
    Month {
        code: format!("{:04}-{:02}", from.year(), from.month()),
        from: i64::from(from.num_days_from_ce() - epoch),
        to: i64::from(next.num_days_from_ce() - epoch - 1),
    }
}
