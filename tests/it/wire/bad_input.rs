//! What bad input gets, through the wire: code, reason and the path of every bad field.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{gso, id, refusal},
    desk::{BEN_TRE, Desk, amount, batch, count, parts, saw},
    refusals::{MIB, Refusal, Table, answered, invalid, long, not_found},
};

fn coded(scheme: &str, code: &str, date: &str) -> Option<pb::UnitRef> {
    let code = pb::UnitCode { scheme: scheme.into(), code: code.into(), date: date.into() };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

// === publishing ===

fn value(text: &str) -> pb::ObservationEntry {
    pb::ObservationEntry { value: Some(text.to_owned()), ..saw("budget", BEN_TRE, "2024", "") }
}

fn noted(change: impl FnOnce(&mut pb::Provenance)) -> pb::ObservationEntry {
    let mut provenance = pb::Provenance::default();
    change(&mut provenance);
    pb::ObservationEntry { provenance: Some(provenance), ..value("1") }
}

fn with(change: impl FnOnce(&mut pb::ObservationEntry)) -> pb::ObservationEntry {
    let mut entry = value("1");
    change(&mut entry);
    entry
}

/// An entry that is bad, and how it is refused.
type Row = (String, pb::ObservationEntry, Refusal);

fn bad_entries() -> Vec<Row> {
    [bad_values(), bad_periods(), bad_codes(), bad_texts(), bad_combinations()].concat()
}

fn bad_values() -> Vec<Row> {
    let mut rows = Vec::new();
    for text in [
        "NaN",
        "nan",
        "Infinity",
        "-Infinity",
        "inf",
        "-0",
        "-0.0",
        "1e5",
        "1E5",
        "+1",
        "1,5",
        "1.234.567",
        "",
        " 1",
        "1 ",
        "1\0",
        ".5",
        "5.",
        "-",
        "--1",
        "0x10",
        "١٢",
        "1_000",
        "007",
        "123456789012345678901",
        "1234567890.12345678901",
        "0.12345678901",
        "½",
    ] {
        rows.push((format!("value {text:?}"), value(text), invalid(&["value"])));
    }
    rows.push(("value of 1 MiB".into(), value(&"9".repeat(MIB)), invalid(&["value"])));
    rows
}

fn bad_periods() -> Vec<Row> {
    let mut rows = Vec::new();
    for period in [
        "",
        "0000",
        "9999",
        "1899",
        "2200",
        "24",
        "2024-13",
        "2024-00",
        "2024-Q5",
        "2024-Q0",
        "2024-H3",
        "2024-W53",
        "2024-W00",
        "2023-02-29",
        "2024-02-30",
        "2024-YTD-13",
        "2024-YTD-00",
        " 2024",
        "2024 ",
        "2024-1",
        "2024-q1",
        "2024/09",
        "２０２４",
        "2024\0",
    ] {
        let entry = pb::ObservationEntry { period: period.to_owned(), ..value("1") };
        rows.push((format!("period {period:?}"), entry, invalid(&["period"])));
    }
    rows.push((
        "period of 1 MiB".into(),
        with(|it| it.period = "2".repeat(MIB)),
        invalid(&["period"]),
    ));
    rows
}

fn bad_codes() -> Vec<Row> {
    let mut rows = Vec::new();
    for code in [
        "",
        "Doc",
        "doc..count",
        ".doc",
        "doc-",
        "a b",
        "đếm",
        "a\0",
        &"a".repeat(65),
        &"a".repeat(MIB),
    ] {
        let entry = pb::ObservationEntry { indicator: code.to_owned(), ..value("1") };
        let what = format!("indicator {:?}", &code.chars().take(10).collect::<String>());
        rows.push((what, entry, invalid(&["indicator"])));
    }
    rows
}

fn bad_texts() -> Vec<Row> {
    let mut rows = Vec::new();
    let paths = [
        "provenance.source_document",
        "provenance.source_record",
        "provenance.quote",
        "provenance.as_written",
        "provenance.note",
    ];
    type Text = fn(&mut pb::Provenance) -> &mut String;
    let bad: [(&str, Text, usize); 5] = [
        (paths[0], |it| &mut it.source_document, 500),
        (paths[1], |it| &mut it.source_record, 200),
        (paths[2], |it| &mut it.quote, 2_000),
        (paths[3], |it| &mut it.as_written, 200),
        (paths[4], |it| &mut it.note, 1_000),
    ];
    for (path, field, most) in bad {
        for (what, text) in [
            ("NUL", "a\0b".to_owned()),
            ("escape", "\u{1b}[31m".to_owned()),
            ("C1 control", "\u{85}".to_owned()),
            ("delete", "\u{7f}".to_owned()),
            ("carriage return", "a\r\nb".to_owned()),
            ("not NFC", "e\u{301}".to_owned()),
            ("too long", long(most)),
            ("1 MiB", "x".repeat(MIB)),
        ] {
            let entry = noted(|it| *field(it) = text);
            rows.push((format!("{path}: {what}"), entry, invalid(&[path])));
        }
    }
    rows
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn bad_combinations() -> Vec<Row> {
    let unit = |unit| pb::ObservationEntry { unit, ..value("1") };
    let word = |key: &str, member: &str| {
        with(|it| it.breakdown = [(key.to_owned(), member.to_owned())].into())
    };
    let nine =
        with(|it| it.breakdown = (0..9).map(|n| (format!("k{n}"), "m".to_owned())).collect());
    let status = |status: pb::ObservationStatus, entry| pb::ObservationEntry {
        status: status.into(),
        ..entry
    };
    let assessed = pb::ObservationStatus::NotAssessed;
    let all = ["value", "numerator", "denominator"];
    let more: [(&str, pb::ObservationEntry, Refusal); 48] = [
        ("no unit", unit(None), invalid(&["unit"])),
        ("an empty unit", unit(Some(pb::UnitRef { r#ref: None })), invalid(&["unit"])),
        ("unit id 0", unit(id(0)), invalid(&["unit.id"])),
        ("unit id -1", unit(id(-1)), invalid(&["unit.id"])),
        ("unit id unknown", unit(id(i64::MAX)), not_found(&["unit.id"])),
        ("unit code empty", unit(gso("", "")), invalid(&["unit.code.code"])),
        ("unit code with NUL", unit(gso("8\u{0}3", "")), invalid(&["unit.code.code"])),
        ("unit code of 1 MiB", unit(gso(&"8".repeat(MIB), "")), invalid(&["unit.code.code"])),
        ("unit code unknown", unit(gso("99999", "")), not_found(&["unit.code.code"])),
        ("unit scheme unknown", unit(coded("no-such", "83", "")), not_found(&["unit.code.code"])),
        ("unit scheme bad", unit(coded("No Such", "83", "")), invalid(&["unit.code.scheme"])),
        ("unit date bad", unit(gso("83", "2024-02-30")), invalid(&["unit.code.date"])),
        (
            "code that meant nothing then",
            unit(gso("838", "2026-01-01")),
            invalid(&["unit.code.date"]),
        ),
        (
            "code that means nothing at the period's end",
            with(|it| {
                it.period = "2026".into();
                it.status = pb::ObservationStatus::Provisional.into();
            }),
            invalid(&["unit.code.date"]),
        ),
        (
            "unit that did not stand in the period",
            with(|it| {
                it.period = "2026".into();
                it.status = pb::ObservationStatus::Provisional.into();
                it.unit = gso("83", "2024-12-31");
            }),
            invalid(&["unit"]),
        ),
        (
            "unknown indicator",
            with(|it| it.indicator = "no.such".into()),
            not_found(&["indicator"]),
        ),
        ("denominator 0", parts(BEN_TRE, "2024", ("1", "0"), ""), invalid(&["denominator"])),
        ("denominator 0.00", parts(BEN_TRE, "2024", ("1", "0.00"), "1"), invalid(&["denominator"])),
        ("denominator alone", parts(BEN_TRE, "2024", ("", "5"), "1"), invalid(&["denominator"])),
        (
            "denominator 0 alone",
            parts(BEN_TRE, "2024", ("", "0"), "1"),
            invalid(&["denominator", "denominator"]),
        ),
        ("numerator NaN", parts(BEN_TRE, "2024", ("NaN", "5"), "1"), invalid(&["numerator"])),
        ("numerator alone, no value", parts(BEN_TRE, "2024", ("5", ""), ""), invalid(&["value"])),
        ("ratio with nothing", parts(BEN_TRE, "2024", ("", ""), ""), invalid(&["value"])),
        (
            "components on a count",
            pb::ObservationEntry {
                indicator: "doc.count".into(),
                ..parts(BEN_TRE, "2024", ("1", "2"), "1")
            },
            invalid(&["numerator", "denominator"]),
        ),
        (
            "components on an amount",
            pb::ObservationEntry {
                indicator: "budget".into(),
                ..parts(BEN_TRE, "2024", ("1", "2"), "1")
            },
            invalid(&["numerator", "denominator"]),
        ),
        ("count with decimals", saw("doc.count", BEN_TRE, "2024", "1.5"), invalid(&["value"])),
        ("count below 0", saw("doc.count", BEN_TRE, "2024", "-1"), invalid(&["value"])),
        ("no value at all", saw("budget", BEN_TRE, "2024", ""), invalid(&["value"])),
        ("value and a status without one", status(assessed, value("0")), invalid(&["value"])),
        (
            "components and a status without a value",
            status(assessed, parts(BEN_TRE, "2024", ("1", "2"), "50")),
            invalid(&all),
        ),
        (
            "qualifier and a status without a value",
            status(
                assessed,
                pb::ObservationEntry { qualifier: Some(2), ..saw("budget", BEN_TRE, "2024", "") },
            ),
            invalid(&["qualifier"]),
        ),
        ("qualifier unknown", with(|it| it.qualifier = Some(7)), invalid(&["qualifier"])),
        ("qualifier negative", with(|it| it.qualifier = Some(-1)), invalid(&["qualifier"])),
        ("qualifier 0", with(|it| it.qualifier = Some(0)), invalid(&["qualifier"])),
        ("status left out", with(|it| it.status = 0), invalid(&["status"])),
        ("status unknown", with(|it| it.status = 99), invalid(&["status"])),
        ("channel unknown", noted(|it| it.channel = i32::MAX), invalid(&["provenance.channel"])),
        ("as_of before the period", with(|it| it.as_of = "2023-12-31".into()), invalid(&["as_of"])),
        ("as_of after the period", with(|it| it.as_of = "2025-01-01".into()), invalid(&["as_of"])),
        ("as_of no date", with(|it| it.as_of = "2024-02-30".into()), invalid(&["as_of"])),
        ("as_of in year 0", with(|it| it.as_of = "0000-01-01".into()), invalid(&["as_of"])),
        ("as_of a period", with(|it| it.as_of = "2024-02".into()), invalid(&["as_of"])),
        ("breakdown key bad", word("Kênh", "online"), invalid(&["breakdown"])),
        ("breakdown member empty", word("channel", ""), invalid(&["breakdown"])),
        (
            "breakdown member that would break its key",
            word("channel", "a,b=c"),
            invalid(&["breakdown"]),
        ),
        ("breakdown of 9", nine, invalid(&["breakdown"])),
        (
            "reason too long",
            with(|it| it.correction_reason = long(500)),
            invalid(&["correction_reason"]),
        ),
        (
            "reason with NUL",
            with(|it| it.correction_reason = "\0".into()),
            invalid(&["correction_reason"]),
        ),
    ];
    more.map(|(what, entry, expected)| (what.to_owned(), entry, expected)).to_vec()
}

#[tokio::test]
async fn a_bad_observation_is_refused_by_its_field_and_leaves_no_trace() {
    let desk = Desk::start().await;
    desk.define(vec![amount("budget")]).await;
    let before = desk.head().await;
    let mut table = Table::default();
    for (what, entry, (code, reason, fields)) in bad_entries() {
        // The good one before it must not be kept either.
        let entries = vec![saw("doc.count", BEN_TRE, "2020", "1"), entry];
        let request = batch(entries);
        let path = |it: String| format!("observations[1].{it}");
        let expected = (code, reason, fields.into_iter().map(path).collect());
        table.check(&what, &answered(desk.send(request).await), &expected);
    }
    table.end(120);
    assert_eq!(desk.head().await, before, "no revision was made");
    let all = pb::QueryObservationsRequest::default();
    let all = desk.source.indicators().query_observations(all).await.unwrap().into_inner();
    assert_eq!(all.observations, []);
}

#[tokio::test]
async fn every_bad_field_of_every_item_is_named_at_once() {
    let desk = Desk::start().await;
    let broken = pb::ObservationEntry {
        indicator: "Đếm".to_owned(),
        unit: coded("X Y", "\0", "2024-13-01"),
        period: "2024-13".to_owned(),
        breakdown: [("Kênh".to_owned(), String::new())].into(),
        value: Some("NaN".to_owned()),
        numerator: Some("1,5".to_owned()),
        denominator: Some("0".to_owned()),
        qualifier: Some(77),
        status: 77,
        as_of: "0000-00-00".to_owned(),
        provenance: Some(pb::Provenance {
            channel: 9,
            quote: "\0".to_owned(),
            ..Default::default()
        }),
        correction_reason: long(500),
        ..Default::default()
    };
    let misled = pb::ObservationEntry {
        unit: gso("838", "2026-01-01"),
        as_of: "2025-01-01".to_owned(),
        ..pb::ObservationEntry {
            indicator: "doc.count".to_owned(),
            ..parts("", "2024", ("1", "2"), "-1")
        }
    };
    let entries = vec![broken, saw("doc.count", BEN_TRE, "2024", "1"), misled];
    let request = batch(entries.clone());
    let first = [
        "indicator",
        "unit.code.scheme",
        "unit.code.code",
        "unit.code.date",
        "period",
        "breakdown",
        "value",
        "numerator",
        "denominator",
        "qualifier",
        "status",
        "as_of",
        "provenance.channel",
        "provenance.quote",
        "correction_reason",
    ];
    let third = ["unit.code.date", "numerator", "denominator", "value", "as_of"];
    let paths = first.map(|it| format!("observations[0].{it}")).into_iter();
    let paths: Vec<_> = paths.chain(third.map(|it| format!("observations[2].{it}"))).collect();
    let (code, reason, fields) = refusal(desk.send(request).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(fields, paths);
    let receipt = desk.try_publish(entries).await;
    let of = |index: usize| -> Vec<_> {
        receipt.results[index].violations.iter().map(|it| it.field.as_str()).collect()
    };
    assert_eq!((of(0), of(1), of(2)), (first.to_vec(), vec![], third.to_vec()));
    let rules = receipt.results.iter().flat_map(|it| &it.violations).map(|it| it.rule.as_str());
    assert!(rules.clone().all(|it| it.starts_with("must ")), "{:?}", rules.collect::<Vec<_>>());
    // Of very many, fifty are named; the answer stays small.
    let many = (0..200).map(|_| value("NaN")).collect();
    let request = batch(many);
    assert_eq!(refusal(desk.send(request).await).2.len(), 50);
}

#[tokio::test]
async fn a_batch_that_is_too_long_or_badly_named_is_refused_as_a_whole() {
    let desk = Desk::start().await;
    let before = desk.head().await;
    let mut table = Table::default();
    let many = batch(vec![saw("doc.count", BEN_TRE, "2024", "1"); 10_001]);
    table.check(
        "10,001 observations",
        &answered(desk.send(many).await),
        &invalid(&["observations"]),
    );
    let ids = [
        ("a\0".to_owned(), "NUL"),
        (long(128), "long"),
        ("e\u{301}".to_owned(), "not NFC"),
        ("x".repeat(MIB), "1 MiB"),
    ];
    for (request_id, what) in ids {
        let entries = batch(vec![saw("doc.count", BEN_TRE, "2024", "1")]);
        let request = pb::PublishObservationsRequest { request_id, ..entries };
        table.check(what, &answered(desk.send(request).await), &invalid(&["request_id"]));
    }
    let mut rpc = desk.source.indicators();
    let targets = vec![pb::TargetEntry::default(); 10_001];
    let request =
        pb::PublishTargetsRequest { targets, request_id: "\0".to_owned(), ..Default::default() };
    table.check(
        "10,001 targets",
        &answered(rpc.publish_targets(request).await),
        &invalid(&["request_id", "targets"]),
    );
    let indicators = vec![pb::Indicator::default(); 10_001];
    let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    table.check(
        "10,001 definitions",
        &answered(rpc.define_indicators(request).await),
        &invalid(&["indicators"]),
    );
    table.end(7);
    let nothing = desk.try_publish(vec![]).await;
    assert_eq!((nothing.results.len(), nothing.revision.unwrap().number), (0, before));
    assert_eq!(desk.head().await, before);
    let edge = "ậ".repeat(128);
    let entries = batch(vec![saw("doc.count", BEN_TRE, "2024", "1")]);
    let request = pb::PublishObservationsRequest { request_id: edge, ..entries };
    assert_eq!(desk.send(request).await.unwrap().created, 1);
}

#[tokio::test]
async fn text_that_would_attack_another_program_is_only_text_here() {
    let desk = Desk::start().await;
    for attack in [
        "'; DROP TABLE observation; --",
        "x' OR '1'='1",
        "%_\\",
        "=cmd|' /C calc'!A0",
        "<script>",
        "{{7*7}}",
        "\u{202e}abc\u{200b}\u{feff}",
        "𝒳 🇻🇳",
    ] {
        let indicator = pb::Indicator {
            name_vi: attack.to_owned(),
            description: attack.to_owned(),
            ..count("attack")
        };
        desk.define(vec![indicator]).await;
        let get = pb::GetIndicatorRequest { code: "attack".to_owned(), consistency: None };
        let told = desk
            .source
            .indicators()
            .get_indicator(get)
            .await
            .unwrap()
            .into_inner()
            .indicator
            .unwrap();
        assert_eq!((told.name_vi.as_str(), told.description.as_str()), (attack, attack));
        let prefix =
            pb::ListIndicatorsRequest { code_prefix: attack.to_owned(), ..Default::default() };
        let none = desk.source.indicators().list_indicators(prefix).await.unwrap().into_inner();
        assert_eq!(none.indicators, []);
        let entry = pb::ObservationEntry {
            correction_reason: attack.to_owned(),
            ..saw("attack", BEN_TRE, "2024", "1")
        };
        desk.publish(vec![entry]).await;
    }
    let versions = desk.versions(&saw("attack", BEN_TRE, "2024", "1")).await;
    assert_eq!(versions[0].correction_reason, "'; DROP TABLE observation; --");
}
