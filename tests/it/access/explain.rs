//! Explaining a call before it is made.
use sharehub::pb::{self, AgreementOperation as Operation};
use tonic::Code;

use crate::support::{
    agreements::{ask, by},
    client::{Grants, PURPOSE, agreement, gso, refusal},
    desk::Desk,
};

// === explaining ===

#[tokio::test]
async fn a_call_is_explained_as_it_is_answered_also_by_a_draft() {
    let desk = Desk::start().await;
    let mut admin = desk.hub.admin().access();
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    let method = || "IndicatorService/QueryObservations".to_owned();
    let asked = pb::ExplainAccessRequest { method: method(), ..Default::default() };
    let told = ioc.access().explain_access(asked.clone()).await.unwrap().into_inner();
    assert!(!told.is_allowed && told.answered_by.is_empty());
    assert_eq!(told.refusal.unwrap().reason(), pb::ErrorReason::NotPermitted);
    let draft = pb::Agreement {
        limits: vec![pb::CallLimit { calls: 3, per: pb::LimitWindow::Month.into() }],
        units: vec![gso("86", "2026-01-01").unwrap()],
        ..agreement("ioc.one", "ioc", &[Operation::Read], by(&["doc.*"]))
    };
    let what_if = pb::ExplainAccessRequest {
        system: "ioc".to_owned(),
        indicators: vec!["doc.count".to_owned(), "water.count".to_owned()],
        units: vec![gso("86", "2026-01-01").unwrap(), gso("80", "2026-01-01").unwrap()],
        draft: Some(draft.clone()),
        ..asked.clone()
    };
    let told = admin.explain_access(what_if.clone()).await.unwrap().into_inner();
    assert!(told.is_allowed, "{told:?}");
    let [one] = told.answered_by.as_slice() else { panic!("{told:?}") };
    assert_eq!(one.left_out_indicators, ["water.count"]);
    assert_eq!(one.left_out_units.len(), 1);
    assert_eq!(one.limits[0].left, 3);
    let opens = one.opens.as_ref().unwrap();
    assert_eq!(opens.indicators, ["doc.count", "doc.rate"]);
    assert!((100..1_000).contains(&opens.unit_count), "{}", opens.unit_count);
    // Nothing of it was kept; and only an administrator asks so.
    assert!(ask(&ioc, PURPOSE).await.is_err());
    assert_eq!(refusal(ioc.access().explain_access(what_if).await).0, Code::PermissionDenied);
    let about_others = pb::ExplainAccessRequest { system: "admin".to_owned(), ..asked.clone() };
    assert_eq!(refusal(ioc.access().explain_access(about_others).await).0, Code::PermissionDenied);
    desk.hub.grant(draft).await;
    for left in (0..3).rev() {
        ask(&ioc, PURPOSE).await.unwrap();
        let told = ioc.access().explain_access(asked.clone()).await.unwrap().into_inner();
        assert_eq!(told.answered_by[0].limits[0].left, left);
        assert_eq!(told.is_allowed, left > 0, "{told:?}");
    }
    let told = ioc.access().explain_access(asked.clone()).await.unwrap().into_inner();
    assert_eq!(told.refusal.unwrap().reason(), pb::ErrorReason::QuotaExceeded);
    assert_eq!(refusal(ask(&ioc, PURPOSE).await).1, "QUOTA_EXCEEDED");
    let unknown = pb::ExplainAccessRequest { method: "No/Such".to_owned(), ..asked };
    assert_eq!(refusal(ioc.access().explain_access(unknown).await).2, ["method"]);
}
