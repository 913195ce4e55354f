//! What a bad question gets, through the wire: code, reason and the path of every bad field.
use sharehub::pb;

use crate::support::{
    client::{gso, id},
    desk::{BEN_TRE, Desk},
    refusals::{MIB, Table, answered, invalid, not_found},
};

fn at(seconds: i64, nanos: i32) -> Option<pb::Consistency> {
    let at = prost_types::Timestamp { seconds, nanos };
    let requirement = Some(pb::consistency::Requirement::AsKnownAt(at));
    Some(pb::Consistency { requirement })
}

fn must_see(requirement: pb::consistency::Requirement) -> Option<pb::Consistency> {
    Some(pb::Consistency { requirement: Some(requirement) })
}

fn text(it: &str) -> String {
    it.to_owned()
}

fn ben_tre() -> Option<pb::UnitRef> {
    gso(BEN_TRE, "2024-12-31")
}

#[tokio::test]
async fn what_must_be_seen_is_refused_by_its_field() {
    use pb::consistency::Requirement::{AtLeast, Exactly, Latest};
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    let soon = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
    )
    .unwrap()
        + 3_600;
    let seen = [
        ("at_least -1", must_see(AtLeast(-1)), "consistency.at_least"),
        ("exactly -1", must_see(Exactly(i64::MIN)), "consistency.exactly"),
        ("latest false", must_see(Latest(false)), "consistency.latest"),
        ("known in the future", at(soon, 0), "consistency.as_known_at"),
        ("known after the end of time", at(i64::MAX, 0), "consistency.as_known_at"),
        ("known before time", at(i64::MIN, 0), "consistency.as_known_at"),
        ("nanos below 0", at(1_700_000_000, -1), "consistency.as_known_at"),
        ("nanos of a second", at(1_700_000_000, 1_000_000_000), "consistency.as_known_at"),
    ];
    for (what, consistency, field) in seen {
        let list = pb::ListIndicatorsRequest { consistency, ..Default::default() };
        table.check(what, &answered(rpc.list_indicators(list).await), &invalid(&[field]));
        let query = pb::QueryObservationsRequest { consistency, ..Default::default() };
        table.check(what, &answered(rpc.query_observations(query).await), &invalid(&[field]));
    }
    table.end(16);
}

#[tokio::test]
async fn a_bad_page_of_a_list_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    for (what, size, token, field) in [
        ("page size -1", -1, text(""), "page.size"),
        ("page size 1001", 1_001, text(""), "page.size"),
        ("garbage token", 0, text("garbage"), "page.token"),
        ("garbage of the right alphabet", 0, "QUFB".repeat(20), "page.token"),
        ("token with NUL", 0, text("\0"), "page.token"),
        ("token of 1 MiB", 0, "A".repeat(MIB), "page.token"),
    ] {
        let page = || Some(pb::PageRequest { size, token: token.clone() });
        let list = pb::ListIndicatorsRequest { page: page(), ..Default::default() };
        table.check(what, &answered(rpc.list_indicators(list).await), &invalid(&[field]));
        let query = pb::QueryTargetsRequest { page: page(), ..Default::default() };
        table.check(what, &answered(rpc.query_targets(query).await), &invalid(&[field]));
    }
    let list = pb::ListIndicatorsRequest {
        code_prefix: "\0".into(),
        page: Some(pb::PageRequest { size: -1, token: text("") }),
        consistency: must_see(pb::consistency::Requirement::AtLeast(-1)),
        group: "Nhóm".into(),
        text: "x".repeat(201),
        codes: vec!["doc.count".into(), "A".into(), "doc.count".into()],
    };
    let bad = [
        "page.size",
        "code_prefix",
        "consistency.at_least",
        "group",
        "text",
        "codes[1]",
        "codes[2]",
    ];
    let all = invalid(&bad);
    table.check("all of a list at once", &answered(rpc.list_indicators(list).await), &all);
    for (code, expected) in
        [("", invalid(&["code"])), ("A", invalid(&["code"])), ("no.such", not_found(&[]))]
    {
        let get = pb::GetIndicatorRequest { code: text(code), consistency: None };
        table.check("get", &answered(rpc.get_indicator(get).await), &expected);
    }
    table.end(16);
}

#[tokio::test]
async fn a_bad_snapshot_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    let snapshot = |units: Vec<Option<pb::UnitRef>>, indicators: &[&str]| pb::GetSnapshotRequest {
        units: units.into_iter().flatten().collect(),
        indicators: indicators.iter().map(|it| text(it)).collect(),
        ..Default::default()
    };
    let good = || snapshot(vec![ben_tre()], &["doc.count"]);
    let empty = pb::UnitRef { r#ref: None };
    let rows = [
        ("empty", snapshot(vec![], &[]), invalid(&["units", "indicators"])),
        (
            "empty unit",
            snapshot(vec![ben_tre(), Some(empty)], &["doc.count"]),
            invalid(&["units[1]"]),
        ),
        (
            "bad code",
            snapshot(vec![id(0)], &["doc.count", "X"]),
            invalid(&["units[0].id", "indicators[1]"]),
        ),
        (
            "unknown indicator",
            snapshot(vec![ben_tre()], &["doc.count", "a", "b"]),
            not_found(&["indicators[1]", "indicators[2]"]),
        ),
        (
            "unknown unit",
            snapshot(vec![ben_tre(), gso("999", "")], &["doc.count"]),
            not_found(&["units[1].code.code"]),
        ),
        (
            "unknown id",
            snapshot(vec![ben_tre(), id(999_999)], &["doc.count"]),
            not_found(&["units[1].id"]),
        ),
        (
            "no unit then",
            snapshot(vec![gso("838", "2026-01-01")], &["doc.count"]),
            invalid(&["units[0].code.date"]),
        ),
        (
            "no unit at the period",
            pb::GetSnapshotRequest {
                period: text("2026"),
                ..snapshot(vec![gso("838", "")], &["doc.count"])
            },
            invalid(&["units[0].code.date"]),
        ),
        (
            "no unit on the day",
            pb::GetSnapshotRequest {
                date: text("2026-01-01"),
                ..snapshot(vec![gso("838", "")], &["doc.count"])
            },
            invalid(&["units[0].code.date"]),
        ),
        ("period", pb::GetSnapshotRequest { period: text("0000"), ..good() }, invalid(&["period"])),
        ("date", pb::GetSnapshotRequest { date: text("9999-01-01"), ..good() }, invalid(&["date"])),
        (
            "2,001 cells",
            snapshot(vec![ben_tre(); 667], &["doc.count", "doc.rate", "doc.count"]),
            invalid(&["indicators"]),
        ),
        ("1,001 units", snapshot(vec![ben_tre(); 1_001], &["doc.count"]), invalid(&["units"])),
        (
            "1,001 indicators",
            snapshot(vec![ben_tre()], &["doc.count"; 1_001]),
            invalid(&["indicators"]),
        ),
    ];
    for (what, request, expected) in rows {
        table.check(what, &answered(rpc.get_snapshot(request).await), &expected);
    }
    table.end(14);
}

#[tokio::test]
async fn a_bad_query_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    type Ask = pb::QueryObservationsRequest;
    let rows = [
        ("ends_from", Ask { ends_from: text("2024"), ..Ask::default() }, invalid(&["ends_from"])),
        (
            "ends_before",
            Ask { ends_before: text("2024-1-1"), ..Ask::default() },
            invalid(&["ends_before"]),
        ),
        ("period", Ask { period: text("2024-W53"), ..Ask::default() }, invalid(&["period"])),
        (
            "101 indicators",
            Ask { indicators: vec![text("doc.count"); 101], ..Ask::default() },
            invalid(&["indicators"]),
        ),
        (
            "unknown",
            Ask { indicators: vec![text("no.such")], ..Ask::default() },
            not_found(&["indicators[0]"]),
        ),
        (
            "descendants of nothing",
            Ask { with_descendants: true, ..Ask::default() },
            invalid(&["with_descendants"]),
        ),
        (
            "unknown unit",
            Ask { units: gso("999", "").into_iter().collect(), ..Ask::default() },
            not_found(&["units[0].code.code"]),
        ),
        (
            "several",
            Ask {
                ends_from: text("x"),
                ends_before: text("y"),
                period: text("z"),
                indicators: vec![text("")],
                ..Ask::default()
            },
            invalid(&["indicators[0]", "ends_from", "ends_before", "period"]),
        ),
    ];
    for (what, request, expected) in rows {
        table.check(what, &answered(rpc.query_observations(request).await), &expected);
    }
    table.end(8);
}

#[tokio::test]
async fn a_bad_roll_up_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    type Sum = pb::RollUpRequest;
    let sum = || Sum {
        indicator: text("doc.count"),
        unit: ben_tre(),
        periods: vec![text("2024")],
        geography: 1,
        ..Sum::default()
    };
    let rows = [
        ("empty", Sum::default(), invalid(&["indicator", "unit", "periods", "geography"])),
        (
            "101 periods",
            Sum { periods: (1999..2100).map(|it| it.to_string()).collect(), ..sum() },
            invalid(&["periods"]),
        ),
        (
            "bad periods",
            Sum { periods: vec![text("2024"), text("2024-13"), text("")], ..sum() },
            invalid(&["periods[1]", "periods[2]"]),
        ),
        ("no geography", Sum { geography: 0, ..sum() }, invalid(&["geography"])),
        ("geography", Sum { geography: 4, ..sum() }, invalid(&["geography"])),
        ("AS_OF nothing", Sum { geography: 2, ..sum() }, invalid(&["as_of"])),
        (
            "AS_OF no date",
            Sum { geography: 2, as_of: text("2024-02-30"), ..sum() },
            invalid(&["as_of"]),
        ),
        (
            "a date for CURRENT",
            Sum { geography: 3, as_of: text("2024-02-01"), ..sum() },
            invalid(&["as_of"]),
        ),
        ("unknown unit", Sum { unit: gso("999", ""), ..sum() }, not_found(&["unit.code.code"])),
        ("unknown id", Sum { unit: id(999_999), ..sum() }, not_found(&["unit.id"])),
        (
            "unknown indicator",
            Sum { indicator: text("no.such"), ..sum() },
            not_found(&["indicator"]),
        ),
        (
            "not there in the period",
            Sum { periods: vec![text("2026")], ..sum() },
            invalid(&["unit"]),
        ),
    ];
    for (what, request, expected) in rows {
        table.check(what, &answered(rpc.roll_up(request).await), &expected);
    }
    table.end(11);
}

#[tokio::test]
async fn a_bad_ranking_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    type Rank = pb::RankUnitsRequest;
    let rank =
        || Rank { indicator: text("doc.count"), period: text("2024"), level: 1, ..Rank::default() };
    let rows = [
        ("empty", Rank::default(), invalid(&["indicator", "period", "level"])),
        ("level", Rank { level: 6, ..rank() }, invalid(&["level"])),
        ("below nobody", Rank { below: gso("999", ""), ..rank() }, not_found(&["below.code.code"])),
        ("below id 0", Rank { below: id(0), ..rank() }, invalid(&["below.id"])),
        (
            "unknown indicator",
            Rank { indicator: text("no.such"), ..rank() },
            not_found(&["indicator"]),
        ),
    ];
    for (what, request, expected) in rows {
        table.check(what, &answered(rpc.rank_units(request).await), &expected);
    }
    table.end(5);
}

#[tokio::test]
async fn bad_questions_about_versions_and_availability_are_refused_by_their_fields() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    let mut table = Table::default();
    let list = pb::ListRevisionsRequest {
        breakdown: [(text("A"), text("b"))].into(),
        ..Default::default()
    };
    let all = invalid(&["indicator", "unit", "period", "breakdown"]);
    table.check("versions of nothing", &answered(rpc.list_revisions(list).await), &all);
    type Avail = pb::GetAvailabilityRequest;
    let avail = |from: &str, before: &str| Avail {
        indicators: vec![text("doc.count")],
        units: ben_tre().into_iter().collect(),
        ends_from: text(from),
        ends_before: text(before),
        consistency: None,
        ..Default::default()
    };
    let rows = [
        ("empty", Avail::default(), invalid(&["indicators", "units", "ends_from", "ends_before"])),
        ("backwards", avail("2024-12-31", "2024-01-01"), invalid(&["ends_before"])),
        ("of no day", avail("2024-01-01", "2024-01-01"), invalid(&["ends_before"])),
        ("year 9999", avail("2024-01-01", "9999-12-31"), invalid(&["ends_before"])),
        (
            "unknown unit",
            Avail {
                units: gso("999", "").into_iter().collect(),
                ..avail("2024-01-01", "2024-12-31")
            },
            not_found(&["units[0].code.code"]),
        ),
        (
            "unknown indicator",
            Avail { indicators: vec![text("no.such")], ..avail("2024-01-01", "2024-12-31") },
            not_found(&["indicators[0]"]),
        ),
        (
            "2,100 cells",
            Avail { units: vec![ben_tre().unwrap(); 7], ..avail("1900-01-01", "2199-12-31") },
            invalid(&["indicators"]),
        ),
    ];
    for (what, request, expected) in rows {
        table.check(what, &answered(rpc.get_availability(request).await), &expected);
    }
    table.end(7);
}

#[tokio::test]
async fn the_time_before_the_first_write_is_empty_not_an_error() {
    let desk = Desk::start().await;
    let mut rpc = desk.source.indicators();
    for consistency in [at(0, 0), must_see(pb::consistency::Requirement::Exactly(0))] {
        let list = pb::ListIndicatorsRequest { consistency, ..Default::default() };
        let told = rpc.list_indicators(list).await.unwrap().into_inner();
        assert_eq!((told.indicators.len(), told.read_at.unwrap().number), (0, 0));
        let code = "doc.count".to_owned();
        let get = pb::GetIndicatorRequest { code, consistency };
        assert_eq!(answered(rpc.get_indicator(get).await), not_found(&[]));
    }
}
