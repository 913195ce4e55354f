//! Codes as they are published and looked up: digits by level, schemes that somebody bears, the last day.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Client, Grants, id, refusal},
    hub::Hub,
};

async fn publisher(hub: &Hub) -> Client {
    hub.system("so-noi-vu", Grants { publish_units: true, ..Default::default() }).await
}

fn entry(level: pb::UnitLevel, scheme: &str, code: &str) -> pb::UnitEntry {
    pb::UnitEntry {
        level: level.into(),
        name: "Đơn vị thử".to_owned(),
        codes: vec![pb::UnitCodeSpan {
            scheme: scheme.to_owned(),
            code: code.to_owned(),
            valid_from: "2190-01-01".to_owned(),
            ..Default::default()
        }],
        valid_from: "2190-01-01".to_owned(),
        ..Default::default()
    }
}

/// What becomes of one unit: nothing when it is taken, else the field and the rule.
async fn sent(client: &Client, unit: pb::UnitEntry) -> Option<(String, String)> {
    let request = pb::PublishUnitsRequest {
        units: vec![unit],
        allow_partial: true,
        validate_only: true,
        ..Default::default()
    };
    let receipt = client.units().publish_units(request).await.unwrap().into_inner();
    let result = receipt.receipt.unwrap().results.remove(0);
    assert!(result.violations.len() < 2, "{result:?}");
    let why = result.violations.into_iter().next().map(|it| (it.field, it.rule));
    assert_eq!(why.is_some(), result.outcome == i32::from(pb::ItemOutcome::Rejected));
    why
}

#[tokio::test]
async fn codes_of_territory_have_the_digits_of_their_level() {
    use pb::UnitLevel::{Agency, Commune, District, Facility, Province};
    let hub = Hub::start().await;
    let publisher = publisher(&hub).await;
    let code = "codes[0].code";
    for (level, scheme, text, expect) in [
        (Province, "gso", "85", None),
        (Province, "", "ab", Some((code, "must be 2 digits: the `gso` code of a province"))),
        (Province, "gso", "1234", Some((code, "must be 2 digits: the `gso` code of a province"))),
        (Province, "gso", "085", Some((code, "must be 2 digits: the `gso` code of a province"))),
        (District, "gso", "999", None),
        (District, "gso", "1234", Some((code, "must be 3 digits: the `gso` code of a district"))),
        (Commune, "", "99998", None),
        (Commune, "", "1234", Some((code, "must be 5 digits: the `gso` code of a commune"))),
        (Commune, "", "9999a", Some((code, "must be 5 digits: the `gso` code of a commune"))),
        (Commune, "agency", "H61.9", None),
        (Agency, "agency", "H61.9", None),
    ] {
        let told = sent(&publisher, entry(level, scheme, text)).await;
        let told = told.as_ref().map(|(field, rule)| (field.as_str(), rule.as_str()));
        assert_eq!(told, expect, "{level:?} {scheme}:{text}");
    }
    for level in [Agency, Facility] {
        let (field, rule) = sent(&publisher, entry(level, "", "99998")).await.unwrap();
        assert_eq!(field, "codes[0].scheme");
        assert!(rule.starts_with("must be `agency` or the code of a registered system"), "{rule}");
    }
}

#[tokio::test]
async fn a_scheme_is_one_that_somebody_bears() {
    use pb::UnitLevel::Facility;
    let hub = Hub::start().await;
    let publisher = publisher(&hub).await;
    let told = sent(&publisher, entry(Facility, "vnedu", "79000701")).await;
    let rule = "must be `gso`, `agency`, or the code of a registered system";
    assert_eq!(told, Some(("codes[0].scheme".to_owned(), rule.to_owned())));
    hub.system("vnedu", Grants::default()).await;
    assert_eq!(sent(&publisher, entry(Facility, "vnedu", "79000701")).await, None);
    // Where a code is only looked up, it is not found: by a scheme that nobody bears, and by one of other digits.
    for (scheme, code) in [("no-such", "83"), ("gso", "ab"), ("gso", "1234"), ("vnedu", "1")] {
        let named =
            pb::UnitCode { scheme: scheme.to_owned(), code: code.to_owned(), ..Default::default() };
        let unit = Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(named)) });
        let request = pb::GetUnitRequest { unit, consistency: None };
        let answer = publisher.units().get_unit(request).await;
        let message = answer.as_ref().unwrap_err().message().to_owned();
        assert!(message.contains(&format!("{scheme}:{code}")), "{message}");
        let field = vec!["unit.code.code".to_owned()];
        assert_eq!(refusal(answer), (Code::NotFound, "NOT_FOUND".to_owned(), field));
    }
}

#[tokio::test]
async fn a_unit_that_closes_on_the_last_day_is_sent_as_it_was_read() {
    let hub = Hub::start().await;
    let publisher = publisher(&hub).await;
    let last = "2200-01-01".to_owned();
    let mut unit = entry(pb::UnitLevel::Commune, "", "99998");
    unit.valid_before.clone_from(&last);
    unit.codes[0].valid_before.clone_from(&last);
    let publish = async |units: Vec<pb::UnitEntry>| {
        let request = pb::PublishUnitsRequest { units, ..Default::default() };
        let answer = publisher.units().publish_units(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    };
    let kept = publish(vec![unit.clone()]).await;
    assert_eq!(kept.created, 1);
    let read = super::administration::read(&publisher, id(kept.results[0].id)).await;
    assert_eq!((&read.valid_before, &read.codes[0].valid_before), (&last, &last));
    let again = pb::UnitEntry {
        id: read.id,
        valid_before: read.valid_before.clone(),
        codes: read.codes,
        ..unit.clone()
    };
    assert_eq!(publish(vec![again]).await.unchanged, 1);
    for beyond in ["2200-01-02", "2201-01-01", "2200-1-1"] {
        let valid_before = beyond.to_owned();
        let late = pb::UnitEntry { valid_before, ..unit.clone() };
        let (field, rule) = sent(&publisher, late).await.unwrap();
        assert_eq!(field, "valid_before", "{beyond}");
        assert!(rule.ends_with("in the years 1900 to 2199, or `2200-01-01`"), "{rule}");
    }
    // It is an end only: nothing begins then.
    let late = pb::UnitEntry { valid_from: last, valid_before: String::new(), ..unit };
    assert_eq!(sent(&publisher, late).await.unwrap().0, "valid_from");
}
