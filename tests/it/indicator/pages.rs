//! Indicators through the wire: queries, page by page.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{all_indicators, gso, refusal},
    desk::{BEN_TRE, Desk, aim, batch, revision, saw, target},
};

#[tokio::test]
async fn pages_join_up_at_the_revision_of_the_first_one() {
    let desk = Desk::start().await;
    let units = ["83", "80", "06", "01"];
    let periods = ["2022", "2023", "2024"];
    let entries =
        units.iter().flat_map(|unit| periods.map(|period| saw("doc.count", unit, period, "1")));
    desk.publish(entries.collect()).await;
    let ask = |size, token: &str| pb::QueryObservationsRequest {
        indicators: vec!["doc.count".to_owned()],
        page: Some(pb::PageRequest { size, token: token.to_owned() }),
        ..Default::default()
    };
    let query = async |request| desk.source.indicators().query_observations(request).await;
    let whole = query(ask(0, "")).await.unwrap().into_inner();
    assert_eq!((whole.observations.len(), whole.next_page_token.as_str()), (12, ""));
    let key = |it: &pb::Observation| (it.unit.as_ref().unwrap().id, it.period.clone());
    assert!(whole.observations.is_sorted_by_key(key));

    let (mut joined, mut token, mut first) = (Vec::new(), String::new(), String::new());
    loop {
        let page = query(ask(3, &token)).await.unwrap().into_inner();
        assert_eq!(page.read_at, whole.read_at, "bound to the revision of the first page");
        joined.extend(page.observations);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        if first.is_empty() {
            first.clone_from(&token);
            // Before, inside and after what is still to come.
            let late = ["2021", "2023", "2025"].map(|it| saw("doc.count", "01", it, "2"));
            desk.publish(late.to_vec()).await;
            desk.publish(
                late.map(|it| pb::ObservationEntry { unit: gso("83", "2024-12-31"), ..it })
                    .to_vec(),
            )
            .await;
        }
    }
    assert_eq!(joined, whole.observations);

    let other_question =
        pb::QueryObservationsRequest { period: "2024".to_owned(), ..ask(3, &first) };
    let refused =
        (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec!["page.token".to_owned()]);
    assert_eq!(refusal(query(other_question).await), refused);
    let other = desk.hub.system("other", all_indicators()).await;
    assert_eq!(refusal(other.indicators().query_observations(ask(3, &first)).await), refused);
    let page = Some(pb::PageRequest { size: 3, token: first });
    let targets = pb::QueryTargetsRequest {
        indicators: ask(3, "").indicators,
        page,
        consistency: None,
        units: Vec::new(),
        ..Default::default()
    };
    assert_eq!(refusal(desk.source.indicators().query_targets(targets).await), refused);
}

#[tokio::test]
async fn a_query_takes_units_with_what_is_below_them_and_a_stretch_of_time() {
    let desk = Desk::start().await;
    let seen = [
        ("doc.count", "83", "2023"),
        ("doc.count", "838", "2024"),
        ("doc.count", "28789", "2024-YTD-06"),
        ("doc.rate", "83", "2024"),
        ("doc.count", "80", "2024"),
    ];
    desk.publish(seen.map(|(code, unit, period)| saw(code, unit, period, "1")).to_vec()).await;
    let base = || pb::QueryObservationsRequest {
        units: vec![gso("83", "2024-12-31").unwrap()],
        ..Default::default()
    };
    let below = || pb::QueryObservationsRequest { with_descendants: true, ..base() };
    let text = |it: &str| it.to_owned();
    let table = [
        ("the unit only", base(), "83 2023, 83 2024"),
        ("with all below", below(), "28789 2024-YTD-06, 83 2023, 83 2024, 838 2024"),
        (
            "ends on or after that day",
            pb::QueryObservationsRequest { ends_from: text("2024-06-30"), ..below() },
            "28789 2024-YTD-06, 83 2024, 838 2024",
        ),
        (
            "ended on the day before",
            pb::QueryObservationsRequest { ends_from: text("2024-07-01"), ..below() },
            "83 2024, 838 2024",
        ),
        (
            "ends on that day",
            pb::QueryObservationsRequest { ends_before: text("2024-06-30"), ..below() },
            "83 2023",
        ),
        (
            "ends before that day",
            pb::QueryObservationsRequest { ends_before: text("2024-07-01"), ..below() },
            "28789 2024-YTD-06, 83 2023",
        ),
        (
            "one period",
            pb::QueryObservationsRequest { period: text("2024"), ..below() },
            "83 2024, 838 2024",
        ),
        (
            "one indicator",
            pb::QueryObservationsRequest { indicators: vec![text("doc.rate")], ..below() },
            "83 2024",
        ),
    ];
    for (what, request, expected) in table {
        let answer = desk.source.indicators().query_observations(request).await.unwrap();
        let told = answer.into_inner().observations.into_iter();
        let mut told: Vec<_> =
            told.map(|it| format!("{} {}", it.unit.unwrap().code, it.period)).collect();
        told.sort();
        assert_eq!(told.join(", "), expected, "{what}");
    }
}

#[tokio::test]
async fn targets_are_listed_and_corrected() {
    let desk = Desk::start().await;
    let at_least = pb::TargetComparison::AtLeast;
    let one = |value| target("doc.rate", BEN_TRE, "2024", at_least, value);
    let first =
        aim(&desk, vec![one("95"), target("doc.rate", BEN_TRE, "2023", at_least, "90")]).await;
    assert_eq!((first.created, aim(&desk, vec![one("95.0")]).await.unchanged), (2, 1));
    let second = aim(&desk, vec![one("96")]).await;
    assert_eq!((second.corrected, revision(&second)), (1, revision(&first) + 1));
    let query = async |size, token, consistency| {
        let page = Some(pb::PageRequest { size, token });
        let units = vec![gso(BEN_TRE, "2024-12-31").unwrap()];
        let request = pb::QueryTargetsRequest { units, page, consistency, ..Default::default() };
        desk.source.indicators().query_targets(request).await.unwrap().into_inner()
    };
    let page = query(1, String::new(), None).await;
    assert_eq!(page.targets[0].period, "2023");
    let rest = query(1, page.next_page_token, None).await;
    assert_eq!((rest.targets.len(), rest.next_page_token.as_str()), (1, ""));
    let kept = rest.targets[0].clone();
    assert_eq!((kept.period.as_str(), kept.value.as_deref()), ("2024", Some("96")));
    assert_eq!((kept.unit_of_measure.as_str(), kept.definition_version), ("%", 1));
    assert_eq!(kept.provenance.unwrap().source_system, crate::support::desk::SOURCE);
    let then = query(0, String::new(), crate::support::client::exactly(revision(&first))).await;
    assert_eq!(then.targets[1].value.as_deref(), Some("95"));
    // The same wording for the value and for the target stays two things.
    assert_eq!(desk.cell("doc.rate", gso(BEN_TRE, ""), "2024", None).await.latest, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_at_an_instant_does_not_change_afterwards() {
    let desk = Desk::start().await;
    let source = desk.source.clone();
    let writer = tokio::spawn(async move {
        for n in 1..100 {
            let of = |year: i32| saw("doc.count", BEN_TRE, &year.to_string(), &n.to_string());
            let request = batch((1950..1970).map(of).collect());
            source.indicators().publish_observations(request).await.unwrap();
        }
    });
    let known = async |at: std::time::SystemTime| {
        let requirement = Some(pb::consistency::Requirement::AsKnownAt(at.into()));
        let consistency = Some(pb::Consistency { requirement });
        let request = pb::ListIndicatorsRequest { consistency, ..Default::default() };
        let answer = desk.source.indicators().list_indicators(request).await.unwrap();
        answer.into_inner().read_at.unwrap().number
    };
    let mut told = Vec::new();
    while !writer.is_finished() {
        let now = std::time::SystemTime::now();
        told.push((now, known(now).await));
    }
    writer.await.unwrap();
    assert!(told.len() > 10, "asked only {} times", told.len());
    for (at, number) in told {
        assert_eq!(known(at).await, number);
    }
}
