//! A figure with a breakdown on its way through tables: imported, asked, rolled up, ranked, watched, exported, and
//! imported again.
use std::fs;

use sharehub::pb;

use crate::{
    cli::export::Desk,
    indicator::breakdowns::{cut, dimension},
    support::{
        client::gso,
        desk::{amount, ratio},
    },
};

/// Two communes of one district, by channel.
const WIDE: &str = "Mã chỉ tiêu;Mã đơn vị;Kỳ;channel=online;channel=desk;channel=post;Ghi chú\n\
                    cut.amount;28789;2024;7;9;4;a\n\
                    cut.amount;28792;2024;1,5;;2;b\n";

/// The same as rows, and what the first table lacks.
const LONG: &str = "indicator,unit,period,Breakdown: channel,value\n\
                    cut.amount,28789,2024,online,7\n\
                    cut.amount,28792,2024,desk,0.5\n\
                    cut.amount,28792,2024,,4\n";

async fn desk() -> Desk {
    let desk = Desk::start().await;
    let channel = dimension("channel", pb::DimensionRule::Sum, true, &["online", "desk", "post"]);
    let cut = pb::Indicator { dimensions: vec![channel], ..amount("cut.amount") };
    let indicators = vec![cut, ratio("cut.none")];
    let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    desk.source.indicators().define_indicators(request).await.unwrap();
    desk
}

/// Unit, breakdown and value of every row, in order.
async fn rows(desk: &Desk) -> Vec<(String, String, String)> {
    let request = pb::QueryObservationsRequest {
        indicators: vec!["cut.amount".to_owned()],
        ..Default::default()
    };
    let answer = desk.source.indicators().query_observations(request).await.unwrap();
    let told = answer.into_inner().observations.into_iter().map(|it| {
        let pairs = it.breakdown.iter().map(|(key, value)| format!("{key}={value}"));
        let breakdown = pairs.collect::<Vec<_>>().join(",");
        (it.unit.unwrap().code, breakdown, it.figure.unwrap().value.unwrap_or_default())
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

fn row(unit: &str, breakdown: &str, value: &str) -> (String, String, String) {
    (unit.to_owned(), breakdown.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_column_for_each_category_or_one_for_the_dimension() {
    let desk = desk().await;
    fs::write(desk.dir.path().join("wide.csv"), WIDE).unwrap();
    fs::write(desk.dir.path().join("long.csv"), LONG).unwrap();
    desk.good(&["import", "observations", "wide.csv", "--numbers", "vi"]).await;
    let mut expected = vec![
        row("28789", "channel=desk", "9"),
        row("28789", "channel=online", "7"),
        row("28789", "channel=post", "4"),
        row("28792", "channel=online", "1.5"),
        row("28792", "channel=post", "2"),
    ];
    assert_eq!(rows(&desk).await, expected);
    desk.good(&["import", "observations", "long.csv", "--numbers", "en"]).await;
    expected.extend([row("28792", "", "4"), row("28792", "channel=desk", "0.5")]);
    expected.sort();
    assert_eq!(rows(&desk).await, expected);
    let bad = "indicator,unit,period,breakdown,Breakdown: channel,value\n\
               cut.amount,28789,2024,channel=post,online,7\n";
    fs::write(desk.dir.path().join("bad.csv"), bad).unwrap();
    let ran = desk.run(&["import", "observations", "bad.csv"]).await;
    let told = format!("{}{}", ran.out, ran.err);
    assert!(told.contains("name `channel` once"), "{told}");
}

#[tokio::test]
async fn a_figure_with_a_breakdown_is_the_same_wherever_it_goes() {
    let desk = desk().await;
    fs::write(desk.dir.path().join("wide.csv"), WIDE).unwrap();
    desk.good(&["import", "observations", "wide.csv", "--numbers", "vi"]).await;
    let client = &desk.source;
    // Rolled up in the district, and ranked.
    let roll_up = |breakdown: &str| pb::RollUpRequest {
        indicator: "cut.amount".to_owned(),
        unit: gso("829", "2024-12-31"),
        periods: vec!["2024".to_owned()],
        geography: pb::Geography::AsReported.into(),
        breakdown: cut(breakdown),
        ..Default::default()
    };
    let sum = async |breakdown: &str| {
        let answer = client.indicators().roll_up(roll_up(breakdown)).await.unwrap().into_inner();
        answer.figures.into_iter().next().unwrap().computed.unwrap().value.unwrap_or_default()
    };
    assert_eq!([sum("channel=online").await, sum("channel=post").await], ["8.5", "6"]);
    // Of the second commune a channel lacks, so that only the first one has a total.
    assert_eq!(sum("").await, "20");
    let rank = pb::RankUnitsRequest {
        indicator: "cut.amount".to_owned(),
        period: "2024".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        below: gso("829", "2024-12-31"),
        breakdown: cut("channel=online"),
        ..Default::default()
    };
    let ranked = client.indicators().rank_units(rank).await.unwrap().into_inner().ranked;
    let values: Vec<_> =
        ranked.iter().map(|it| it.figure.as_ref().unwrap().value.as_deref().unwrap()).collect();
    assert_eq!(values, ["7", "1.5"]);
    // Exported, and imported into another hub; what the feed tells of a breakdown, `indicator::breakdowns` shows.
    let before = rows(&desk).await;
    desk.good(&["export", "observations", "--indicator", "cut.amount", "--out", "all.csv"]).await;
    let other = self::desk().await;
    fs::copy(desk.dir.path().join("all.csv"), other.dir.path().join("all.csv")).unwrap();
    other.good(&["import", "observations", "all.csv", "--numbers", "vi"]).await;
    assert_eq!(rows(&other).await, before);
    // Only the rows of one category.
    let one = ["--breakdown", "channel=post", "--out", "post.csv"];
    desk.good(&[&["export", "observations", "--indicator", "cut.amount"][..], &one].concat()).await;
    let text = fs::read_to_string(desk.dir.path().join("post.csv")).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
}
