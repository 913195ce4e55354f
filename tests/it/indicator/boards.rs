//! Boards: snapshots by selection, page by page at one revision, and what a figure is compared with.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{gso, refusal},
    desk::{BEN_TRE, Desk, count, saw},
};

fn grouped(code: &str, order: i32) -> pb::Indicator {
    pb::Indicator { display_order: order, ..count(code) }
}

fn board(level: pb::UnitLevel, indicators: &[&str]) -> pb::GetSnapshotRequest {
    pb::GetSnapshotRequest {
        selection: Some(pb::SnapshotSelection {
            below: gso(BEN_TRE, "2024-12-31"),
            level: level.into(),
            indicators: indicators.iter().map(|it| (*it).to_owned()).collect(),
            groups: Vec::new(),
        }),
        date: "2024-12-31".to_owned(),
        ..Default::default()
    }
}

async fn ask(desk: &Desk, request: pb::GetSnapshotRequest) -> pb::GetSnapshotResponse {
    desk.source.indicators().get_snapshot(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_board_is_selected_by_level_and_patterns_and_paged_at_one_revision() {
    let desk = Desk::start().await;
    let codes: Vec<_> = (0..17).map(|n| format!("board.i{n:02}")).collect();
    let indicators = codes.iter().rev().enumerate();
    let indicators = indicators.map(|(n, code)| grouped(code, i32::try_from(n).unwrap()));
    desk.define(indicators.collect()).await;
    desk.publish(vec![saw("board.i00", "28789", "2023", "7")]).await;
    // 148 communes of Bến Tre x 17 indicators are more than one answer holds.
    let request = board(pb::UnitLevel::Commune, &["board.*"]);
    let first = ask(&desk, request.clone()).await;
    assert_eq!(first.cells.len(), 2_000);
    let revision = first.read_at.unwrap().number;
    // What is published between the pages is not in them.
    desk.publish(vec![saw("board.i01", "28789", "2023", "8")]).await;
    let page = Some(pb::PageRequest { size: 0, token: first.next_page_token.clone() });
    let second = ask(&desk, pb::GetSnapshotRequest { page, ..request.clone() }).await;
    assert_eq!(second.read_at.unwrap().number, revision);
    assert_eq!(second.next_page_token, "");
    let all: Vec<_> = first.cells.iter().chain(&second.cells).collect();
    assert_eq!(all.len(), 148 * 17);
    let keys: std::collections::BTreeSet<_> =
        all.iter().map(|it| (it.unit.as_ref().unwrap().id, it.indicator.clone())).collect();
    assert_eq!(keys.len(), all.len(), "no cell comes twice");
    // Indicators by their display order: the last code stands first.
    let order: Vec<_> = all[..17].iter().map(|it| it.indicator.clone()).collect();
    let by_order: Vec<_> = codes.iter().rev().cloned().collect();
    assert_eq!(order, by_order);
    let reported = all.iter().filter(|it| it.latest.is_some()).count();
    assert_eq!(reported, 1, "i01 came after the revision of the first page");
    // Small pages hold the same cells.
    let (mut token, mut small) = (String::new(), Vec::new());
    loop {
        let page = Some(pb::PageRequest { size: 500, token });
        let answer = ask(&desk, pb::GetSnapshotRequest { page, ..request.clone() }).await;
        assert!(answer.cells.len() <= 500);
        small.extend(
            answer.cells.iter().map(|it| (it.unit.as_ref().unwrap().id, it.indicator.clone())),
        );
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let large: Vec<_> =
        all.iter().map(|it| (it.unit.as_ref().unwrap().id, it.indicator.clone())).collect();
    assert_eq!(small, large);
}

#[tokio::test]
async fn a_selection_stands_alone_and_is_refused_by_its_fields() {
    let desk = Desk::start().await;
    let good = || board(pb::UnitLevel::District, &["doc.*"]);
    assert_eq!(ask(&desk, good()).await.cells.len(), 9 * 2);
    let mut named = good();
    named.indicators = vec!["doc.count".to_owned()];
    let mut none = good();
    none.selection.as_mut().unwrap().below = None;
    let mut level = good();
    level.selection.as_mut().unwrap().level = 0;
    let mut pattern = good();
    pattern.selection.as_mut().unwrap().indicators = vec!["Doc*".to_owned()];
    let mut group = good();
    group.selection.as_mut().unwrap().groups = vec!["Không".to_owned()];
    let mut token = good();
    token.page = Some(pb::PageRequest { size: 0, token: "no token".to_owned() });
    let mut page = good();
    page.page = Some(pb::PageRequest { size: 2_001, token: String::new() });
    let mut alone = pb::GetSnapshotRequest {
        units: gso(BEN_TRE, "2024-12-31").into_iter().collect(),
        indicators: vec!["doc.count".to_owned()],
        ..Default::default()
    };
    alone.page = Some(pb::PageRequest::default());
    let table = [
        (named, "selection"),
        (none, "selection.below"),
        (level, "selection.level"),
        (pattern, "selection.indicators[0]"),
        (group, "selection.groups[0]"),
        (token, "page.token"),
        (page, "page.size"),
        (alone, "page"),
    ];
    for (request, field) in table {
        let told = refusal(desk.source.indicators().get_snapshot(request).await);
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec![field.to_owned()]);
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn a_figure_is_compared_with_the_period_before_and_with_the_year_before() {
    let desk = Desk::start().await;
    let frequency = pb::ReportFrequency::Month.into();
    desk.define(vec![pb::Indicator { frequency, ..count("m") }]).await;
    let months = [("2023-09", "80"), ("2024-08", "100"), ("2024-09", "120")];
    desk.publish(months.map(|(period, value)| saw("m", BEN_TRE, period, value)).into()).await;
    let cell = async || desk.cell("m", gso(BEN_TRE, "2024-12-31"), "2024-09", None).await;
    let told = |it: Option<pb::FigureChange>| {
        it.map(|it| (it.change.unwrap_or_default(), it.percent.unwrap_or_default()))
    };
    let pair = |one: &str, two: &str| Some((one.to_owned(), two.to_owned()));
    let seen = cell().await;
    assert_eq!(seen.year_before.as_ref().unwrap().period, "2023-09");
    assert_eq!(told(seen.since_previous), pair("20", "20"));
    assert_eq!(told(seen.since_year_before), pair("40", "50"));
    // Of nothing there is no per cent.
    desk.publish(vec![saw("m", BEN_TRE, "2023-09", "0")]).await;
    assert_eq!(told(cell().await.since_year_before), pair("120", ""));
    // Across versions nothing is subtracted.
    let unit_rule = pb::UnitRule::Max.into();
    desk.define(vec![pb::Indicator { frequency, unit_rule, ..count("m") }]).await;
    desk.publish(vec![saw("m", BEN_TRE, "2024-09", "120")]).await;
    let seen = cell().await;
    for change in [seen.since_previous.unwrap(), seen.since_year_before.unwrap()] {
        assert_eq!((change.change, change.percent, change.definition_changed), (None, None, true));
    }
}
