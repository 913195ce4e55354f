//! Numbers that look like identity numbers: refused in every field of free text that the schema marks, and nowhere
//! else.
use prost_reflect::DescriptorPool;
use sharehub::pb;

use crate::support::{
    client::{Grants, gso},
    desk::{BEN_TRE, Desk, batch, count, saw, target},
    hub::Hub,
    refusals::{Refusal, Table, answered, invalid},
};

fn number() -> String {
    "theo giấy của bà Hoa, số 0833 0100 1234".to_owned()
}

/// What is no identity number, though it holds as many digits.
fn others() -> String {
    "QĐ 278/2025/QĐ-UBND, 000.00.12.H56-230915-0001, 1.004194, thu 123.456.789 đồng, 0912 345 678"
        .to_owned()
}

fn provenance(text: &str) -> Option<pb::Provenance> {
    Some(pb::Provenance {
        source_document: text.to_owned(),
        quote: text.to_owned(),
        note: text.to_owned(),
        source_record: "079301001299".to_owned(),
        ..Default::default()
    })
}

fn seen(text: &str) -> pb::ObservationEntry {
    pb::ObservationEntry {
        provenance: provenance(text),
        correction_reason: text.to_owned(),
        ..saw("doc.count", BEN_TRE, "2024", "123456789")
    }
}

/// Fields of the first item of a list.
fn at(list: &str, fields: &[&str]) -> Vec<String> {
    fields.iter().map(|it| format!("{list}[0].{it}")).collect()
}

fn refused(fields: &[String]) -> Refusal {
    invalid(&fields.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn what_is_said_of_figures_holds_no_identity_number() {
    let desk = Desk::start().await;
    let mut table = Table::default();
    let indicators = desk.source.indicators();
    let sent = desk.source.indicators().publish_observations(batch(vec![seen(&number())])).await;
    let fields = ["provenance.source_document", "provenance.quote", "provenance.note"];
    let all = [at("observations", &fields), at("observations", &["correction_reason"])].concat();
    table.check("observations", &answered(sent), &refused(&all));
    let aimed = pb::TargetEntry {
        provenance: provenance(&number()),
        ..target("doc.count", BEN_TRE, "2024", pb::TargetComparison::AtLeast, "5")
    };
    let request = pb::PublishTargetsRequest { targets: vec![aimed], ..Default::default() };
    let sent = indicators.clone().publish_targets(request).await;
    table.check("targets", &answered(sent), &refused(&at("targets", &fields)));
    let withdraw = pb::WithdrawObservationsRequest { reason: number(), ..Default::default() };
    let told = answered(indicators.clone().withdraw_observations(withdraw).await);
    table.check("observations withdrawn", &told, &invalid(&["reason"]));
    let withdraw = pb::WithdrawTargetsRequest { reason: number(), ..Default::default() };
    let told = answered(indicators.clone().withdraw_targets(withdraw).await);
    table.check("targets withdrawn", &told, &invalid(&["reason"]));
    table.end(4);
    // Item by item, the good one is kept; a record's id and a value are no free text.
    let receipt = desk.try_publish(vec![seen(&others()), seen(&number())]).await;
    assert_eq!((receipt.created, receipt.rejected), (1, 1), "{receipt:?}");
    let rule = &receipt.results[1].violations[0].rule;
    assert!(rule.contains("not hold a number that looks like an identity number"), "{rule}");
}

#[tokio::test]
async fn what_is_said_of_an_indicator_holds_no_identity_number() {
    let desk = Desk::start().await;
    let mut table = Table::default();
    let indicators = desk.source.indicators();
    let category = pb::DimensionCategory {
        code: "nam".into(),
        name_vi: number(),
        name_en: number(),
        ..Default::default()
    };
    let dimension = pb::IndicatorDimension {
        code: "gioi".into(),
        name_vi: number(),
        name_en: number(),
        categories: vec![category],
        ..Default::default()
    };
    let defined = pb::Indicator {
        name_vi: number(),
        name_en: number(),
        description: number(),
        description_en: number(),
        numerator: number(),
        denominator: number(),
        legal_basis: number(),
        owner_agency: number(),
        dimensions: vec![dimension],
        ..count("doc.named")
    };
    let group = pb::IndicatorGroup {
        code: "nhom".into(),
        name_vi: number(),
        name_en: number(),
        ..Default::default()
    };
    let request = pb::DefineIndicatorsRequest {
        indicators: vec![defined],
        groups: vec![group],
        ..Default::default()
    };
    let told = answered(indicators.clone().define_indicators(request).await);
    let mut fields = at("groups", &["name_vi", "name_en"]);
    fields.extend(at(
        "indicators",
        &[
            "name_vi",
            "name_en",
            "description",
            "numerator",
            "denominator",
            "legal_basis",
            "owner_agency",
            "dimensions[0].name_vi",
            "dimensions[0].name_en",
            "dimensions[0].categories[0].name_vi",
            "dimensions[0].categories[0].name_en",
            "description_en",
        ],
    ));
    let sorted = |(code, reason, mut fields): (_, String, Vec<String>)| {
        // Of the rest nothing is asked here.
        fields.retain(|it| !it.ends_with(".rule"));
        fields.sort();
        fields.dedup();
        (code, reason, fields)
    };
    table.check("definitions", &sorted(told), &sorted(refused(&fields)));
    table.end(1);
}

#[tokio::test]
async fn units_procedures_and_reasons_hold_no_identity_number() {
    let hub = Hub::start().await;
    let grants = Grants {
        publish_units: true,
        define_procedures: true,
        publish_dossiers: true,
        ..Default::default()
    };
    let source = hub.system("mot-cua", grants).await;
    let mut table = Table::default();
    let code = pb::UnitCodeSpan { scheme: "gso".into(), code: "99".into(), ..Default::default() };
    let unit = pb::UnitEntry {
        level: pb::UnitLevel::Province.into(),
        name: number(),
        codes: vec![code],
        ..Default::default()
    };
    let succession = pb::SuccessionEntry {
        predecessor: gso("83", "2024-12-31"),
        kind: pb::SuccessionKind::Abolition.into(),
        effective_date: "2026-01-01".into(),
        transfer: pb::TransferExtent::Whole.into(),
        weight_basis: number(),
        legal_act: number(),
        source: number(),
        ..Default::default()
    };
    let request = pb::PublishUnitsRequest { units: vec![unit], ..Default::default() };
    let told = answered(source.units().publish_units(request).await);
    table.check("units", &told, &invalid(&["units[0].name"]));
    let request = pb::PublishUnitsRequest { successions: vec![succession], ..Default::default() };
    let (code, reason, told) = answered(source.units().publish_units(request).await);
    let of_text = |it: &String| !it.ends_with("weight") && !it.ends_with("successor");
    let told: Vec<_> = told.into_iter().filter(of_text).collect();
    let fields = ["weight_basis", "legal_act", "source"].map(|it| format!("successions[0].{it}"));
    let expected = invalid(&fields.each_ref().map(String::as_str));
    let (mut told, mut expected) = ((code, reason, told), expected);
    told.2.sort();
    told.2.dedup();
    expected.2.sort();
    table.check("successions", &told, &expected);
    let named = |text: String| pb::Procedure {
        code: "1.004194".into(),
        name: text.clone(),
        field_name: text.clone(),
        cases: vec![pb::ProcedureCase { name: text, ..Default::default() }],
        ..Default::default()
    };
    let define =
        |text| pb::DefineProceduresRequest { procedures: vec![named(text)], ..Default::default() };
    let told = answered(source.dossiers().define_procedures(define(number())).await);
    let fields = ["name", "field_name", "cases[0].name"].map(|it| format!("procedures[0].{it}"));
    table.check("procedures", &told, &invalid(&fields.each_ref().map(String::as_str)));
    let withdraw = pb::WithdrawProceduresRequest { reason: number(), ..Default::default() };
    let told = answered(source.dossiers().withdraw_procedures(withdraw).await);
    table.check("procedures withdrawn", &told, &invalid(&["reason"]));
    let withdraw = pb::WithdrawDossiersRequest { reason: number(), ..Default::default() };
    let told = answered(source.dossiers().withdraw_dossiers(withdraw).await);
    table.check("dossiers withdrawn", &told, &invalid(&["reason"]));
    let erase = pb::ErasePersonalDataRequest {
        dossiers: vec!["H-1".into()],
        legal_basis: number(),
        ..Default::default()
    };
    let told = answered(hub.admin().dossiers().erase_personal_data(erase).await);
    table.check("erasures", &told, &invalid(&["legal_basis"]));
    table.end(6);
    source.dossiers().define_procedures(define(others())).await.unwrap();
}

/// A field that is marked from now on is sent in a test above as well.
#[test]
fn every_field_of_free_text_has_its_row() {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let mark = pool.get_extension_by_name("sharehub.v1.prose").unwrap();
    let fields = pool.all_messages().flat_map(|it| it.fields().collect::<Vec<_>>());
    let marked = fields.filter(|it| it.options().get_extension(&mark).as_bool() == Some(true));
    // Two of a category, two of a dimension, eight of a definition, four of an observation, two of a group, four of
    // units, three of procedures, four reasons and a legal basis.
    assert_eq!(marked.count(), 30);
}
