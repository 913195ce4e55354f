//! Single durable publishes by many clients, beside one commit each.
use std::sync::Arc;

use sharehub::pb;

use crate::{
    PASSES,
    bare::Bare,
    engine::Engine,
    point,
    stage::{Stage, entry},
    turns::{median, passes, way},
    wire::{DOSSIER, PUBLISH, call, wired},
};

/// Clients that publish at the same time, each one value at a time.
const CLIENTS: usize = 64;

pub async fn publish(engine: &Engine, stage: &Stage) {
    let codes = vec!["bench.single".to_owned()];
    stage.define(&codes).await;
    let units = Arc::new(stage.communes(1_000).await);
    let bare = Bare::open(&stage.url, u32::try_from(CLIENTS).unwrap()).await;
    bare.prepare().await;
    let each = way(move |i| {
        let bare = bare.clone();
        async move { bare.commit(i).await }
    });
    let (channels, key) = (stage.channels.clone(), stage.articles.clone());
    let count = Arc::new(std::sync::atomic::AtomicU64::new(1));
    let counted = Arc::clone(&count);
    let hub = way(move |i| {
        let count = &counted;
        let (channel, key) = (channels[i % channels.len()].clone(), key.clone());
        let (units, count) = (Arc::clone(&units), Arc::clone(count));
        async move {
            // Always another value: each publish makes a revision.
            let value = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
            let entry = entry("bench.single", units[i % units.len()], "2026-01", &value);
            let request =
                pb::PublishObservationsRequest { observations: vec![entry], ..Default::default() };
            let answer =
                call::<_, pb::PublishObservationsResponse>(channel, PUBLISH, request, &key);
            answer.await.is_ok_and(|it| it.receipt.is_some_and(|it| it.rejected == 0))
        }
    });
    // What answers without doing anything: the most that so many clients can call on this machine.
    let (one, many) = Default::default();
    let echo = point::echo(&one, &many).await;
    let ask = |_| pb::GetDossierRequest::default();
    let echo = wired::<_, pb::GetDossierResponse>(&echo, DOSSIER, &stage.ioc, ask);
    let commits = stage.hub.commits();
    let rates = passes(&[each, hub, echo], CLIENTS, PASSES).await;
    let commits = stage.hub.commits() - commits;
    let of = |i: usize| median(&rates, |it| it[i].calls);
    println!("\n### Single durable publishes, {CLIENTS} clients, {}\n", engine.name());
    println!(
        "| one commit each /s | hub /s | echo /s | hub / one commit each | echo / one commit each | \
         publishes in a commit | processor µs: one commit each, hub, echo |"
    );
    println!("|---|---|---|---|---|---|---|");
    let cpu = |i: usize| median(&rates, |it| it[i].cpu);
    let all = count.load(std::sync::atomic::Ordering::Relaxed);
    println!(
        "| {:.0} | {:.0} | {:.0} | **{:.1}** | {:.1} | {} | {:.0}, {:.0}, {:.0} |",
        of(0),
        of(1),
        of(2),
        median(&rates, |it| it[1].calls / it[0].calls),
        median(&rates, |it| it[2].calls / it[0].calls),
        all / commits.max(1),
        cpu(0),
        cpu(1),
        cpu(2),
    );
}
