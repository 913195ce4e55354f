//! Work ends with the call: what nobody waits for any more is not computed to its end, and one system's questions leave
//! turns to another's.
use std::time::{Duration, Instant};

use sharehub::pb;
use tokio::time;
use tonic::{Code, Request};

use crate::support::{
    client::{Grants, gso, id},
    desk::{Desk, batch, saw},
};

/// Questions that are asked and abandoned.
const ABANDONED: usize = 32;

fn rank() -> pb::RankUnitsRequest {
    pb::RankUnitsRequest {
        indicator: "doc.count".to_owned(),
        period: "2024".to_owned(),
        level: pb::UnitLevel::District.into(),
        rolled_up: true,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn computations_that_nobody_waits_for_end_and_leave_turns_to_others() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    for communes in communes.chunks(5_000) {
        let said =
            |it: &i64| pb::ObservationEntry { unit: id(*it), ..saw("doc.count", "", "2024", "1") };
        let taken = desk.send(batch(communes.iter().map(said).collect())).await.unwrap();
        assert_eq!(taken.rejected, 0);
    }
    let grants = || Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    let (greedy, other) =
        (desk.hub.system("greedy", grants()).await, desk.hub.system("other", grants()).await);
    let whole = Instant::now();
    other.indicators().rank_units(rank()).await.unwrap();
    let whole = whole.elapsed();
    let asked: Vec<_> = (0..ABANDONED)
        .map(|_| {
            let mut rpc = greedy.indicators();
            tokio::spawn(async move {
                let mut request = Request::new(rank());
                request.set_timeout(Duration::from_millis(200));
                rpc.rank_units(request).await
            })
        })
        .collect();
    time::sleep(Duration::from_millis(20)).await;
    let sum = pb::RollUpRequest {
        indicator: "doc.count".to_owned(),
        unit: gso("83", "2024-12-31"),
        periods: vec!["2024".to_owned()],
        geography: pb::Geography::AsReported.into(),
        ..Default::default()
    };
    let beside = Instant::now();
    other.indicators().roll_up(sum).await.unwrap();
    let beside = beside.elapsed();
    for call in asked {
        if let Err(status) = call.await.unwrap() {
            assert!(
                matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled),
                "{status:?}"
            );
        }
    }
    let ended = Instant::now();
    while desk.hub.hub.turns.running() > 0 {
        assert!(ended.elapsed() < Duration::from_secs(20), "what was abandoned goes on");
        time::sleep(Duration::from_millis(5)).await;
    }
    println!(
        "a ranking takes {whole:?}; beside {ABANDONED} abandoned ones a roll-up took {beside:?}, and the last of them \
         ended {:?} after its deadline",
        ended.elapsed()
    );
}
