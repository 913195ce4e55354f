//! What a bad definition or target gets, through the wire.
use sharehub::pb;

use crate::support::{
    client::gso,
    desk::{BEN_TRE, Desk, count, ratio},
    refusals::{MIB, Table, answered, invalid, long, not_found},
};

#[tokio::test]
async fn a_bad_target_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let before = desk.head().await;
    let good = || pb::TargetEntry {
        indicator: "doc.rate".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some("95".to_owned()),
        provenance: None,
        ..Default::default()
    };
    let with = |change: fn(&mut pb::TargetEntry)| {
        let mut entry = good();
        change(&mut entry);
        entry
    };
    let rows = [
        (
            "empty",
            pb::TargetEntry::default(),
            invalid(&["indicator", "unit", "period", "comparison"]),
        ),
        ("no value", with(|it| it.value = None), invalid(&["value"])),
        ("value of a qualitative one", with(|it| it.comparison = 5), invalid(&["value"])),
        ("value NaN", with(|it| it.value = Some("NaN".into())), invalid(&["value"])),
        ("comparison 0", with(|it| it.comparison = 0), invalid(&["comparison"])),
        ("comparison unknown", with(|it| it.comparison = 6), invalid(&["comparison"])),
        ("wrong way", with(|it| it.comparison = 3), invalid(&["comparison"])),
        (
            "wrong way, wrong unit",
            with(|it| {
                it.comparison = 4;
                it.unit = gso("838", "2026-01-01");
            }),
            invalid(&["unit.code.date", "comparison"]),
        ),
        ("period bad", with(|it| it.period = "2024-W53".into()), invalid(&["period"])),
        (
            "unknown indicator",
            with(|it| it.indicator = "no.such".into()),
            not_found(&["indicator"]),
        ),
        ("unknown unit", with(|it| it.unit = gso("999", "")), not_found(&["unit.code.code"])),
        (
            "quote with NUL",
            with(|it| {
                it.provenance = Some(pb::Provenance { quote: "\0".into(), ..Default::default() });
            }),
            invalid(&["provenance.quote"]),
        ),
    ];
    let mut table = Table::default();
    for (what, target, (code, reason, fields)) in rows {
        let request =
            pb::PublishTargetsRequest { targets: vec![good(), target], ..Default::default() };
        let fields = fields.into_iter().map(|it| format!("targets[1].{it}")).collect();
        let told = answered(desk.source.indicators().publish_targets(request).await);
        table.check(what, &told, &(code, reason, fields));
    }
    table.end(12);
    assert_eq!(desk.head().await, before);
}

#[tokio::test]
async fn a_bad_definition_is_refused_by_its_field() {
    let desk = Desk::start().await;
    let before = desk.head().await;
    let of = |change: fn(&mut pb::Indicator)| {
        let mut entry = count("new");
        change(&mut entry);
        entry
    };
    let rate = |change: fn(&mut pb::Indicator)| {
        let mut entry = ratio("new");
        change(&mut entry);
        entry
    };
    let rows = [
        ("code", of(|it| it.code = "a--b".into()), invalid(&["code"])),
        ("name empty", of(|it| it.name_vi = " \n".into()), invalid(&["name_vi"])),
        ("name long", of(|it| it.name_vi = long(300)), invalid(&["name_vi"])),
        ("name of 1 MiB", of(|it| it.name_en = "x".repeat(MIB)), invalid(&["name_en"])),
        ("name not NFC", of(|it| it.name_en = "a\u{30a}".into()), invalid(&["name_en"])),
        ("description with NUL", of(|it| it.description = "\0".into()), invalid(&["description"])),
        ("kind", of(|it| it.kind = 5), invalid(&["kind"])),
        (
            "unit of measure",
            of(|it| it.unit_of_measure = String::new()),
            invalid(&["unit_of_measure"]),
        ),
        ("scale of a count", of(|it| it.scale = "100".into()), invalid(&["scale"])),
        ("scale empty", rate(|it| it.scale = String::new()), invalid(&["scale"])),
        ("scale 0", rate(|it| it.scale = "0".into()), invalid(&["scale"])),
        ("scale below 0", rate(|it| it.scale = "-100".into()), invalid(&["scale"])),
        ("scale 1e2", rate(|it| it.scale = "1e2".into()), invalid(&["scale"])),
        ("direction", of(|it| it.direction = 4), invalid(&["direction"])),
        ("frequency", of(|it| it.frequency = 99), invalid(&["frequency"])),
        ("calendar", of(|it| it.calendar = 3), invalid(&["calendar"])),
        ("time rule RATIO", of(|it| it.time_rule = 3), invalid(&["time_rule"])),
        ("unit rule RATIO", of(|it| it.unit_rule = 2), invalid(&["unit_rule"])),
        (
            "percentages added",
            rate(|it| {
                it.time_rule = 1;
                it.unit_rule = 1;
            }),
            invalid(&["unit_rule", "time_rule"]),
        ),
        ("components of a count", of(|it| it.numerator = "x".into()), invalid(&["numerator"])),
        (
            "ratio without words",
            rate(|it| it.denominator = String::new()),
            invalid(&["denominator"]),
        ),
        ("legal basis", of(|it| it.legal_basis = long(500)), invalid(&["legal_basis"])),
        ("owner", of(|it| it.owner_agency = long(200)), invalid(&["owner_agency"])),
        (
            "source bad",
            of(|it| it.authoritative_source = "Sở".into()),
            invalid(&["authoritative_source"]),
        ),
        (
            "source unknown",
            of(|it| it.authoritative_source = "nobody".into()),
            invalid(&["authoritative_source"]),
        ),
        ("due days -1", of(|it| it.due_days = -1), invalid(&["due_days"])),
        ("due days 367", of(|it| it.due_days = 367), invalid(&["due_days"])),
        ("sharing level", of(|it| it.sharing_level = 4), invalid(&["sharing_level"])),
        ("collection level", of(|it| it.collection_level = 0), invalid(&["collection_level"])),
        ("tree", of(|it| it.tree = 3), invalid(&["tree"])),
        ("facility", of(|it| it.collection_level = 5), invalid(&["collection_level"])),
    ];
    let mut table = Table::default();
    for (what, bad, (code, reason, fields)) in rows {
        let indicators = vec![count("good"), bad];
        let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let fields = fields.into_iter().map(|it| format!("indicators[1].{it}")).collect();
        let told = answered(desk.source.indicators().define_indicators(request).await);
        table.check(what, &told, &(code, reason, fields));
    }
    table.end(31);
    assert_eq!(desk.head().await, before);
}
