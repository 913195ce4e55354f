//! Sources: who they are, when they published last, and what of theirs was rejected and not yet sent right.
use sharehub::pb::{self, ItemOutcome as Outcome};
use tonic::{Code, Status};

use crate::{
    indicator::publish::partial,
    support::{
        client::{Client, Grants, gso, refusal, update_of},
        desk::{BEN_TRE, Desk, SOURCE, batch, outcomes, revision, saw},
        hub::Hub,
        loads::Sender,
    },
};

/// What is rejected of a source; its own where none is named.
async fn rejections(client: &Client, source: &str) -> Result<Vec<pb::Rejection>, Status> {
    let mut request = pb::ListRejectionsRequest { source: source.to_owned(), ..Default::default() };
    let mut all = Vec::new();
    loop {
        let answer = client.indicators().list_rejections(request.clone()).await?.into_inner();
        all.extend(answer.rejections);
        if answer.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page = Some(pb::PageRequest { size: 0, token: answer.next_page_token });
    }
}

async fn own(client: &Client) -> Vec<pb::Rejection> {
    rejections(client, "").await.unwrap()
}

fn items(all: &[pb::Rejection]) -> Vec<&str> {
    all.iter().map(|it| it.item.as_str()).collect()
}

fn reason(it: &pb::Rejection) -> &str {
    it.reason().as_str_name().strip_prefix("ERROR_REASON_").unwrap()
}

async fn sources(client: &Client) -> Vec<pb::IndicatorSource> {
    let request = pb::ListSourcesRequest::default();
    client.indicators().list_sources(request).await.unwrap().into_inner().sources
}

/// A count of Ben Tre in 2024.
fn said(value: &str) -> pb::ObservationEntry {
    saw("doc.count", BEN_TRE, "2024", value)
}

#[tokio::test]
async fn what_is_rejected_beside_what_is_kept_is_kept_until_it_is_sent_right() {
    let desk = Desk::start().await;
    assert_eq!(own(&desk.source).await, []);
    let online = || std::collections::BTreeMap::from([("kenh so".to_owned(), "x".to_owned())]);
    let bad = vec![
        said("1.5"),
        saw("doc.unknown", BEN_TRE, "2024", "1"),
        saw("doc.count", BEN_TRE, "tháng 13", "1"),
        pb::ObservationEntry { unit: None, breakdown: online(), ..said("1") },
        saw("doc.count", "86", "2024", "9"),
    ];
    let receipt = desk.try_publish(bad.clone()).await;
    assert_eq!((receipt.created, receipt.rejected), (1, 4), "{receipt:?}");
    let kept = own(&desk.source).await;
    let expect = [
        "doc.count 83 2024",
        "doc.count 83 tháng_13",
        "doc.count ? 2024 kenh_so=x",
        "doc.unknown 83 2024",
    ];
    assert_eq!(items(&kept), expect);
    let reasons: Vec<_> = kept.iter().map(reason).collect();
    assert_eq!(reasons, ["FIELD_INVALID", "FIELD_INVALID", "FIELD_INVALID", "NOT_FOUND"]);
    let first = &kept[0];
    let rule = "must be a whole number, not negative: the indicator is a count";
    assert_eq!(first.fields[0], pb::FieldViolation { field: "value".into(), rule: rule.into() });
    assert_eq!(first.message, format!("value {rule}"));
    assert_eq!((first.list.as_str(), first.times), ("observations", 1));
    assert_eq!(
        (first.revision, first.first_rejected_at),
        (revision(&receipt), first.last_rejected_at)
    );

    // Sent again, it is the same rejection; nothing is committed for all to see.
    let head = desk.head().await;
    let again = desk.try_publish(bad).await;
    assert_eq!((again.unchanged, again.rejected, desk.head().await), (1, 4, head));
    let twice = own(&desk.source).await;
    assert_eq!(items(&twice), expect);
    assert!(twice.iter().all(|it| it.times == 2), "{twice:?}");
    assert_eq!(twice[0].first_rejected_at, first.first_rejected_at);
    let at = |it: &pb::Rejection| it.last_rejected_at.map(|it| (it.seconds, it.nanos));
    assert!(at(&twice[0]) > at(first));

    // Sent right, also with the unit named in another way, it is gone.
    let named = pb::ObservationEntry { unit: gso(BEN_TRE, "2024-12-31"), ..said("7") };
    desk.publish(vec![named]).await;
    assert_eq!(items(&own(&desk.source).await), &expect[1..]);
}

#[tokio::test]
async fn a_value_that_stands_and_is_sent_again_ends_the_rejection_of_a_wrong_one() {
    let desk = Desk::start().await;
    desk.publish(vec![said("7")]).await;
    let head = desk.head().await;
    let twice = desk.try_publish(vec![said("-7"), said("-7")]).await;
    assert_eq!(twice.rejected, 2);
    let kept = own(&desk.source).await;
    assert_eq!((items(&kept), kept[0].times), (vec!["doc.count 83 2024"], 2));
    // Only checked, it stays.
    let tried = pb::PublishObservationsRequest { validate_only: true, ..partial(vec![said("7")]) };
    desk.send(tried).await.unwrap();
    assert_eq!(own(&desk.source).await, kept);
    let right = desk.publish(vec![said("7")]).await;
    assert_eq!((outcomes(&right), desk.head().await), (vec![Outcome::Unchanged], head));
    assert_eq!(own(&desk.source).await, []);
    // What is wrong again is rejected anew, and a later value of another kind of list ends nothing.
    desk.try_publish(vec![said("x")]).await;
    let target = pb::TargetEntry {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtMost.into(),
        value: Some("9".to_owned()),
        ..Default::default()
    };
    let good =
        pb::TargetEntry { comparison: pb::TargetComparison::AtLeast.into(), ..target.clone() };
    let publish = async |targets: Vec<pb::TargetEntry>| {
        let request =
            pb::PublishTargetsRequest { targets, allow_partial: true, ..Default::default() };
        let answer = desk.source.indicators().publish_targets(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    };
    assert_eq!(publish(vec![target]).await.rejected, 1);
    let lists: Vec<_> = own(&desk.source).await.into_iter().map(|it| (it.list, it.times)).collect();
    assert_eq!(lists, [("observations".to_owned(), 1), ("targets".to_owned(), 1)]);
    assert_eq!(publish(vec![good]).await.created, 1);
    let left = own(&desk.source).await;
    assert_eq!((left.len(), left[0].list.as_str()), (1, "observations"));
}

#[tokio::test]
async fn what_is_only_checked_or_refused_as_a_whole_leaves_no_rejection() {
    let desk = Desk::start().await;
    let entries = || vec![said("1.5"), saw("doc.count", "86", "2024", "9")];
    let checked = pb::PublishObservationsRequest { validate_only: true, ..partial(entries()) };
    assert_eq!(desk.send(checked).await.unwrap().rejected, 1);
    let (code, reason, _) = refusal(desk.send(batch(entries())).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(own(&desk.source).await, []);
    let defined = desk.define(vec![pb::Indicator::default()]).await;
    assert_eq!((defined.rejected, own(&desk.source).await), (1, vec![]));
}

#[tokio::test]
async fn a_load_keeps_its_rejected_items_too_and_a_repeated_answer_keeps_none_anew() {
    let desk = Desk::start().await;
    let (sender, _) = Sender::open(&desk.source, "đêm").await;
    sender.send(1, vec![said("1.5"), saw("doc.count", "86", "2024", "9")]).await;
    let (acknowledged, end) = sender.close().await;
    end.unwrap();
    assert_eq!(acknowledged.iter().map(|it| it.rejected).sum::<i32>(), 1);
    assert_eq!(items(&own(&desk.source).await), ["doc.count 83 2024"]);
    let once = pb::PublishObservationsRequest {
        request_id: "một lần".to_owned(),
        ..partial(vec![said("2.5")])
    };
    desk.send(once.clone()).await.unwrap();
    assert!(desk.send(once).await.unwrap().replayed);
    assert_eq!(own(&desk.source).await[0].times, 2);
}

#[tokio::test]
async fn of_one_source_ten_thousand_rejections_are_kept_the_newest() {
    let desk = Desk::start().await;
    let bad = |month: i32| saw("doc.count", BEN_TRE, &format!("bad-{month:05}"), "1");
    // Each beside one that is kept: otherwise the whole is a call that is refused.
    let publish = async |from: i32, before: i32| {
        let receipt = desk.try_publish((from..before).map(bad).collect()).await;
        assert_eq!(receipt.rejected, before - from);
    };
    publish(0, 3).await;
    publish(3, 9_999).await;
    assert_eq!(own(&desk.source).await.len(), 9_999);
    // The second is rejected again, and so is not among the oldest.
    publish(1, 2).await;
    publish(9_999, 10_002).await;
    let kept = own(&desk.source).await;
    assert_eq!(kept.len(), 10_000);
    let first: Vec<_> = items(&kept).into_iter().take(2).collect();
    assert_eq!(first, ["doc.count 83 bad-00001", "doc.count 83 bad-00003"]);
}

#[tokio::test]
async fn rejections_are_for_their_source_and_for_those_who_audit() {
    let desk = Desk::start().await;
    let bad: Vec<_> = (1..=250).map(|it| saw(&format!("no.{it:03}"), "83", "2024", "1")).collect();
    assert_eq!(desk.try_publish(bad).await.rejected, 250);
    let others = desk
        .hub
        .system("ioc", Grants { read_indicators: vec!["*".into()], ..Default::default() })
        .await;
    assert_eq!(own(&others).await, []);
    for source in [SOURCE, "nobody"] {
        let (code, reason, _) = refusal(rejections(&others, source).await);
        assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"), "{source}");
    }
    let auditor = desk.hub.system("auditor", Grants { auditor: true, ..Default::default() }).await;
    let mine = own(&desk.source).await;
    assert_eq!(mine.len(), 250);
    assert!(items(&mine).is_sorted());
    for client in [&auditor, &desk.hub.admin(), &desk.source] {
        assert_eq!(rejections(client, SOURCE).await.unwrap(), mine);
    }
    let (code, reason, fields) = refusal(rejections(&auditor, "nobody").await);
    assert_eq!(
        (code, reason.as_str(), fields),
        (Code::NotFound, "NOT_FOUND", vec!["source".to_owned()])
    );
    let (code, _, fields) = refusal(rejections(&auditor, "Not A Code").await);
    assert_eq!((code, fields), (Code::InvalidArgument, vec!["source".to_owned()]));
}

/// Says of a system whose it is, and whom to ask.
async fn describe(
    hub: &Hub,
    code: &str,
    unit: Option<pb::UnitRef>,
    contact: &str,
) -> Result<(), Status> {
    let system = pb::RegisteredSystem {
        code: code.to_owned(),
        agency_unit: unit,
        contact: contact.to_owned(),
        ..Default::default()
    };
    let paths = vec!["agency_unit".to_owned(), "contact".to_owned()];
    let request = pb::UpdateSystemRequest {
        system: Some(system),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    };
    hub.admin().access().update_system(request).await.map(drop)
}

#[tokio::test]
async fn a_board_reads_who_its_sources_are_and_an_operator_what_they_failed_to_publish() {
    let desk = Desk::start().await;
    let office = "Phòng Công nghệ số, Sở Thông tin và Truyền thông";
    describe(&desk.hub, SOURCE, gso(BEN_TRE, "2024-12-31"), office).await.unwrap();
    let reads = |patterns: &[&str]| Grants {
        read_indicators: patterns.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    };
    let board = desk.hub.system("board", reads(&["doc.count"])).await;
    let [own, source] = <[_; 2]>::try_from(sources(&board).await).unwrap();
    assert_eq!((own.code.as_str(), own.indicators.len()), ("board", 0));
    assert_eq!((source.code.as_str(), source.name.as_str()), (SOURCE, SOURCE));
    let unit = source.agency_unit.unwrap();
    assert_eq!((unit.name.as_str(), unit.code.as_str()), ("Tỉnh Bến Tre", BEN_TRE));
    assert_eq!(
        (source.contact.as_str(), source.indicators),
        (office, vec!["doc.count".to_owned()])
    );
    assert_eq!((source.last_accepted_at, source.last_accepted_revision), (None, 0));

    // What is all rejected is no publish that was accepted.
    desk.try_publish(vec![said("1.5"), said("x"), saw("no.such", BEN_TRE, "2024", "1")]).await;
    let failed = sources(&board).await.pop().unwrap();
    assert_eq!((failed.last_accepted_at, failed.rejected_today), (None, 2));
    let mut reasons: Vec<_> =
        failed.rejected_for.iter().map(|it| (it.reason().as_str_name(), it.items)).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [("ERROR_REASON_FIELD_INVALID", 1), ("ERROR_REASON_NOT_FOUND", 1)]);
    let receipt = desk.publish(vec![said("7")]).await;
    let accepted = sources(&board).await.pop().unwrap();
    assert_eq!(accepted.last_accepted_at, receipt.revision.unwrap().committed_at);
    assert_eq!((accepted.last_accepted_revision, accepted.rejected_today), (revision(&receipt), 1));

    // Who may know of no indicator of it does not learn that it is there; administrators see every system.
    let stranger = desk.hub.system("stranger", reads(&["other.*"])).await;
    let codes =
        |all: Vec<pb::IndicatorSource>| all.into_iter().map(|it| it.code).collect::<Vec<_>>();
    assert_eq!(codes(sources(&stranger).await), ["stranger"]);
    let all = codes(sources(&desk.hub.admin()).await);
    assert!(
        ["board", SOURCE, "stranger"].iter().all(|it| all.iter().any(|all| all == it)),
        "{all:?}"
    );
}

#[tokio::test]
async fn whose_system_one_is_is_registered_changed_and_taken_away() {
    let desk = Desk::start().await;
    let hub = &desk.hub;
    let registration = pb::RegisterSystemRequest {
        code: "so-y-te".to_owned(),
        name: "Sở Y tế".to_owned(),
        agency_unit: gso(BEN_TRE, "2024-12-31"),
        contact: "Văn phòng Sở".to_owned(),
        ..Default::default()
    };
    let register = async |it: &pb::RegisterSystemRequest| {
        Ok::<_, Status>(
            hub.admin().access().register_system(it.clone()).await?.into_inner().receipt.unwrap(),
        )
    };
    assert_eq!(register(&registration).await.unwrap().created, 1);
    assert_eq!(register(&registration).await.unwrap().unchanged, 1);
    let known = async || {
        let list = pb::ListSystemsRequest::default();
        let all = hub.admin().access().list_systems(list).await.unwrap().into_inner().systems;
        all.into_iter().find(|it| it.code == "so-y-te").unwrap()
    };
    let one = known().await;
    let agency = one.agency.clone().unwrap();
    assert_eq!((agency.name.as_str(), one.contact.as_str()), ("Tỉnh Bến Tre", "Văn phòng Sở"));
    assert_eq!(one.agency_unit, crate::support::client::id(agency.id));
    // A change of something else leaves it.
    let mut rename = update_of(registration.clone());
    rename.update_mask = Some(prost_types::FieldMask { paths: vec!["grants".to_owned()] });
    hub.admin().access().update_system(rename).await.unwrap();
    assert_eq!(known().await.agency, one.agency);
    describe(hub, "so-y-te", None, "").await.unwrap();
    let emptied = known().await;
    assert_eq!((emptied.agency_unit, emptied.agency, emptied.contact), (None, None, String::new()));
    let (code, _, fields) =
        refusal(describe(hub, "so-y-te", crate::support::client::id(99_999_999), "").await);
    assert_eq!((code, fields), (Code::NotFound, vec!["system.agency_unit.id".to_owned()]));
    let long = "x".repeat(301);
    let (code, _, fields) = refusal(describe(hub, "so-y-te", None, &long).await);
    assert_eq!((code, fields), (Code::InvalidArgument, vec!["system.contact".to_owned()]));
    let other = pb::RegisterSystemRequest { code: "other".into(), contact: long, ..registration };
    let (code, _, fields) = refusal(register(&other).await);
    assert_eq!((code, fields), (Code::InvalidArgument, vec!["contact".to_owned()]));
}
