//! `expected_revision` where others rely on what is replaced: agreements, definitions, procedures, units.
use sharehub::pb;
use tonic::{Code, Status};

use crate::support::{
    agreements::by,
    client::{Grants, agreement, current, refusal},
    desk::{Desk, SOURCE, count},
    hub::Hub,
};

type Answer<T> = Result<T, Status>;

/// What is refused because another version stands: the one that does.
#[track_caller]
fn conflict<T: std::fmt::Debug>(answer: Answer<T>, field: &str) -> i64 {
    let status = answer.expect_err("another version stands");
    let stands = current(&status);
    let (code, reason, fields) = refusal(Err::<(), _>(status));
    assert_eq!((code, reason.as_str()), (Code::Aborted, "REVISION_CONFLICT"));
    assert_eq!(fields, [field]);
    stands
}

// === agreements ===

fn dashboards(title: &str) -> pb::Agreement {
    let read = [pb::AgreementOperation::Read];
    let agreement = agreement("ioc.dashboards", "ioc", &read, by(&["*"]));
    pb::Agreement { title: title.to_owned(), ..agreement }
}

async fn grant(
    hub: &Hub,
    title: &str,
    expected_revision: Option<i64>,
) -> Answer<pb::GrantAgreementResponse> {
    let agreement = Some(dashboards(title));
    let request = pb::GrantAgreementRequest { agreement, expected_revision, ..Default::default() };
    Ok(hub.admin().access().grant_agreement(request).await?.into_inner())
}

async fn revoke(hub: &Hub, expected_revision: Option<i64>) -> Answer<pb::Receipt> {
    let code = "ioc.dashboards".to_owned();
    let request = pb::RevokeAgreementRequest { code, expected_revision, ..Default::default() };
    Ok(hub.admin().access().revoke_agreement(request).await?.into_inner().receipt.unwrap())
}

fn in_use<T: std::fmt::Debug>(answer: Answer<T>) -> i64 {
    let status = answer.expect_err("the code is in use");
    let stands = current(&status);
    let (code, reason, _) = refusal(Err::<(), _>(status));
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    stands
}

#[tokio::test]
async fn an_agreement_is_replaced_only_by_one_that_names_the_version_it_replaces() {
    let hub = Hub::start().await;
    hub.system("ioc", Grants::default()).await;
    assert_eq!(conflict(grant(&hub, "Một", Some(7)).await, "expected_revision"), 0);
    let made = grant(&hub, "Một", Some(0)).await.unwrap();
    let first = made.after.unwrap().revision;
    assert_eq!(made.receipt.unwrap().created, 1);
    // The same again changes nothing, whatever it expects.
    for expected in [None, Some(0), Some(first)] {
        let receipt = grant(&hub, "Một", expected).await.unwrap().receipt.unwrap();
        assert_eq!(receipt.unchanged, 1, "{expected:?}");
    }
    assert_eq!(in_use(grant(&hub, "Hai", None).await), first);
    assert_eq!(conflict(grant(&hub, "Hai", Some(0)).await, "expected_revision"), first);
    let checked = pb::GrantAgreementRequest {
        agreement: Some(dashboards("Hai")),
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(in_use(hub.admin().access().grant_agreement(checked).await), first);
    let (one, two) = tokio::join!(grant(&hub, "Hai", Some(first)), grant(&hub, "Ba", Some(first)));
    let (won, lost) = match (one, two) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("one must win: {both:?}"),
    };
    let second = won.after.unwrap().revision;
    assert!(second > first);
    assert_eq!(conflict(Err::<(), _>(lost), "expected_revision"), second);
    // A revocation of what somebody has changed since is refused; twice is once.
    assert_eq!(conflict(revoke(&hub, Some(first)).await, "expected_revision"), second);
    assert_eq!(revoke(&hub, Some(second)).await.unwrap().corrected, 1);
    assert_eq!(revoke(&hub, Some(second)).await.unwrap().unchanged, 1);
    assert_eq!(revoke(&hub, None).await.unwrap().unchanged, 1);
    // A revoked one does not come back by itself.
    let revoked = in_use(grant(&hub, "Bốn", None).await);
    assert!(revoked > second);
    assert_eq!(conflict(grant(&hub, "Bốn", Some(second)).await, "expected_revision"), revoked);
    let back = grant(&hub, "Bốn", Some(revoked)).await.unwrap();
    assert_eq!((back.receipt.unwrap().corrected, back.after.unwrap().revoked_at), (1, None));
    let negative = grant(&hub, "Năm", Some(-1)).await;
    assert_eq!(refusal(negative).2, ["expected_revision"]);
}

// === definitions ===

async fn define(desk: &Desk, indicators: Vec<pb::Indicator>) -> Answer<pb::Receipt> {
    let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    let answer = desk.source.indicators().define_indicators(request).await?;
    Ok(answer.into_inner().receipt.unwrap())
}

async fn defined(desk: &Desk, code: &str) -> pb::Indicator {
    let get = pb::GetIndicatorRequest { code: code.to_owned(), ..Default::default() };
    desk.source.indicators().get_indicator(get).await.unwrap().into_inner().indicator.unwrap()
}

fn named(code: &str, name: &str, expected_revision: Option<i64>) -> pb::Indicator {
    pb::Indicator { name_vi: name.to_owned(), expected_revision, ..count(code) }
}

#[tokio::test]
async fn each_definition_of_a_batch_says_which_version_it_replaces() {
    let desk = Desk::start().await;
    let first = defined(&desk, "doc.count").await;
    assert_eq!(first.expected_revision, None);
    let stale =
        vec![named("doc.new", "Mới", Some(0)), named("doc.count", "Hai", Some(first.revision - 1))];
    let stands = conflict(define(&desk, stale).await, "indicators[1].expected_revision");
    assert_eq!(stands, first.revision);
    let fresh =
        vec![named("doc.new", "Mới", Some(0)), named("doc.count", "Hai", Some(first.revision))];
    let receipt = define(&desk, fresh.clone()).await.unwrap();
    assert_eq!((receipt.created, receipt.corrected), (1, 1));
    // Sent again it replaces nothing, so that nothing conflicts.
    assert_eq!(define(&desk, fresh).await.unwrap().unchanged, 2);
    let second = defined(&desk, "doc.count").await;
    // A name makes another row, and no version.
    assert_eq!((second.name_vi.as_str(), second.version), ("Hai", 1));
    // What must not be there is, and what must be there is not.
    let there = vec![named("doc.new", "Khác", Some(0))];
    conflict(define(&desk, there).await, "indicators[0].expected_revision");
    let missing = vec![named("doc.none", "Không", Some(second.revision))];
    assert_eq!(conflict(define(&desk, missing).await, "indicators[0].expected_revision"), 0);
    // Two at the same time.
    let at = |name: &str| vec![named("doc.count", name, Some(second.revision))];
    let (one, two) = tokio::join!(define(&desk, at("Ba")), define(&desk, at("Bốn")));
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|it| **it).count(), 1);
    let lost = if one.is_err() { one } else { two };
    let third = defined(&desk, "doc.count").await;
    assert_eq!(conflict(lost, "indicators[0].expected_revision"), third.revision);
    assert!(third.revision > second.revision);
    // Without it, whatever stands is replaced.
    assert_eq!(define(&desk, vec![named("doc.count", "Năm", None)]).await.unwrap().corrected, 1);
    let negative = define(&desk, vec![named("doc.count", "Sáu", Some(-1))]).await;
    assert_eq!(refusal(negative).2, ["indicators[0].expected_revision"]);
}

#[tokio::test]
async fn procedures_and_units_say_it_too() {
    let desk = Desk::start().await;
    let grants = Grants { define_procedures: true, publish_units: true, ..Default::default() };
    let client = desk.hub.system("so-noi-vu", grants).await;
    assert_eq!(SOURCE, "so-tttt");
    let procedure = |name: &str, expected_revision| pb::Procedure {
        code: "1.004194".to_owned(),
        name: name.to_owned(),
        expected_revision,
        ..Default::default()
    };
    let define = async |it: pb::Procedure| -> Answer<pb::Receipt> {
        let procedures = vec![it];
        let request = pb::DefineProceduresRequest { procedures, ..Default::default() };
        Ok(client.dossiers().define_procedures(request).await?.into_inner().receipt.unwrap())
    };
    let field = "procedures[0].expected_revision";
    assert_eq!(conflict(define(procedure("Một", Some(5))).await, field), 0);
    let made = define(procedure("Một", Some(0))).await.unwrap().revision.unwrap().number;
    assert_eq!(conflict(define(procedure("Hai", Some(0))).await, field), made);
    assert_eq!(define(procedure("Hai", Some(made))).await.unwrap().corrected, 1);
    assert!(conflict(define(procedure("Ba", Some(made))).await, field) > made);
    assert_eq!(define(procedure("Hai", Some(made))).await.unwrap().unchanged, 1);

    let unit = |name: &str, expected_revision| pb::UnitEntry {
        level: pb::UnitLevel::Agency.into(),
        name: name.to_owned(),
        codes: vec![pb::UnitCodeSpan {
            scheme: "agency".to_owned(),
            code: "H61.12".to_owned(),
            ..Default::default()
        }],
        expected_revision,
        ..Default::default()
    };
    let publish = async |it: pb::UnitEntry| -> Answer<pb::Receipt> {
        let units = vec![it];
        let request = pb::PublishUnitsRequest { units, ..Default::default() };
        Ok(client.units().publish_units(request).await?.into_inner().receipt.unwrap())
    };
    let made = publish(unit("Sở Một", Some(0))).await.unwrap().revision.unwrap().number;
    let stale = publish(unit("Sở Hai", Some(made - 1))).await;
    assert_eq!(conflict(stale, "units[0].expected_revision"), made);
    assert_eq!(publish(unit("Sở Hai", Some(made))).await.unwrap().corrected, 1);
}
