//! `GetDossier` and `GetSnapshot` beside an echo of the same bytes and beside the bare SQL of the same look-up.
use std::sync::Arc;

use sharehub::pb;
use tonic::transport::Channel;

use crate::{
    IN_FLIGHT, PASSES,
    bare::{Bare, snapshot_of},
    engine::Engine,
    stage::Stage,
    turns::{Rate, median, passes, way},
    wire::{self, DOSSIER, SNAPSHOT, call, wired},
};

pub async fn dossier(engine: &Engine, stage: &Stage) {
    let asks = Arc::new(stage.dossiers().await);
    let bare = Bare::readers(&stage.url).await;
    let at = bare.head().await;
    let one =
        call::<_, pb::GetDossierResponse>(stage.channel(0), DOSSIER, asks[0].clone(), &stage.ioc);
    let one = one.await.unwrap();
    let echo = echo(&one, &pb::GetSnapshotResponse::default()).await;
    let picked = |asks: &Arc<Vec<pb::GetDossierRequest>>| {
        let asks = Arc::clone(asks);
        move |i: usize| asks[i * 7 % asks.len()].clone()
    };
    let sql = |whole| {
        let (bare, pick) = (bare.clone(), Arc::new(picked(&asks)));
        way(move |i| {
            let (bare, pick) = (bare.clone(), Arc::clone(&pick));
            async move { bare.dossier(&pick(i).code, at, whole).await }
        })
    };
    let wired = |channels: &[Channel]| {
        wired::<_, pb::GetDossierResponse>(channels, DOSSIER, &stage.ioc, picked(&asks))
    };
    let ways = [wired(&echo), sql(true), sql(false), wired(&stage.channels)];
    println!("\n### GetDossier, {}: {} bytes\n", engine.name(), prost::Message::encoded_len(&one));
    println!(
        "| in flight | echo /s | SQL /s | SQL, row only /s | hub /s | composite /s | hub / composite \
         | hub / composite of row only | processor µs: echo, SQL, hub | (echo + SQL) / hub |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let rates = passes(&ways, in_flight, PASSES).await;
        let of = |i: usize| median(&rates, |it| it[i].calls);
        let cpu = |i: usize| median(&rates, |it| it[i].cpu);
        let both = |it: &[Rate], sql: usize| 1.0 / (1.0 / it[0].calls + 1.0 / it[sql].calls);
        println!(
            "| {in_flight} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | **{:.2}** | {:.2} | {:.0}, {:.0}, {:.0} | {:.2} |",
            of(0),
            of(1),
            of(2),
            of(3),
            median(&rates, |it| both(it, 1)),
            median(&rates, |it| it[3].calls / both(it, 1)),
            median(&rates, |it| it[3].calls / both(it, 2)),
            cpu(0),
            cpu(1),
            cpu(3),
            median(&rates, |it| (it[0].cpu + it[1].cpu) / it[3].cpu),
        );
    }
}

pub async fn snapshot(engine: &Engine, stage: &Stage) {
    let ask = stage.hundred_values().await;
    let answer = stage.ask_snapshot(ask.clone()).await;
    let bare = Bare::readers(&stage.url).await;
    let units: Vec<_> = answer.cells.iter().map(|it| it.unit.as_ref().unwrap().id).collect();
    let statement = snapshot_of(&bare.bench_indicators().await, &units, bare.head().await);
    let echo = echo(&pb::GetDossierResponse::default(), &answer).await;
    let wired = |channels: &[Channel]| {
        let ask = ask.clone();
        wired::<_, pb::GetSnapshotResponse>(channels, SNAPSHOT, &stage.ioc, move |_| ask.clone())
    };
    let statement: Arc<str> = statement.into();
    let sql = way(move |_| {
        let (bare, statement) = (bare.clone(), Arc::clone(&statement));
        async move { bare.snapshot(&statement).await }
    });
    let ways = [wired(&echo), sql, wired(&stage.channels)];
    let size = prost::Message::encoded_len(&answer);
    println!("\n### GetSnapshot of 100 values, {}: {size} bytes\n", engine.name());
    println!(
        "| in flight | echo /s | SQL /s | hub /s | hub / echo | processor µs: echo, SQL, hub | echo / hub |"
    );
    println!("|---|---|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let rates = passes(&ways, in_flight, PASSES).await;
        let of = |i: usize| median(&rates, |it| it[i].calls);
        let cpu = |i: usize| median(&rates, |it| it[i].cpu);
        println!(
            "| {in_flight} | {:.0} | {:.0} | {:.0} | **{:.2}** | {:.0}, {:.0}, {:.0} | {:.2} |",
            of(0),
            of(1),
            of(2),
            median(&rates, |it| it[2].calls / it[0].calls),
            cpu(0),
            cpu(1),
            cpu(2),
            median(&rates, |it| it[0].cpu / it[2].cpu),
        );
    }
}

pub async fn echo(one: &pb::GetDossierResponse, many: &pb::GetSnapshotResponse) -> Vec<Channel> {
    let (reporter, _) = tonic_health::server::health_reporter();
    wire::channels(&wire::serve(wire::echoes(one, many), reporter).await).await
}
