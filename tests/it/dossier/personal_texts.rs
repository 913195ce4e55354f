//! Names of fees and documents: personal data like the rest, sealed, shown by tier, and erased.
use sharehub::{dossier::store::erase, pb, personal::vault::Vault, wire::projection::Project};

use crate::support::{engine::Store, hub::Hub};

use super::personal_data::{
    FEE, PAPER, PAPER_CODE, entry, erase, erased, event, get, get_at, kept, publish, reader, source,
};

/// A dossier with a fee and documents whose names and codes speak of a person.
fn named(code: &str) -> pb::DossierEntry {
    let fee =
        pb::DossierFee { name: FEE.to_owned(), amount: "15000".to_owned(), paid_online: true };
    let paper = pb::DossierDocument {
        name: PAPER.to_owned(),
        code: PAPER_CODE.to_owned(),
        digitized: true,
        reused: false,
    };
    let results = vec![pb::DossierDocument { code: String::new(), ..paper.clone() }];
    pb::DossierEntry { fees: vec![fee], components: vec![paper], results, ..entry(code, None) }
}

/// Names and codes of fees and documents, in one line.
fn texts(it: &pb::Dossier) -> String {
    let fees = it.fees.iter().map(|it| it.name.as_str());
    let papers = it.components.iter().chain(&it.results);
    let papers = papers.flat_map(|it| [it.name.as_str(), it.code.as_str()]);
    fees.chain(papers).collect::<Vec<_>>().join("|")
}

#[tokio::test]
async fn names_of_fees_and_documents_are_sealed_shown_by_tier_and_erased() {
    let hub = Hub::start().await;
    let source = source(&hub).await;
    let other = pb::DossierEntry { applicant_kind: 1, ..named("H-1") };
    let first = publish(&source, vec![named("H-1"), named("H-2")]).await;
    publish(&source, vec![other.clone()]).await;
    let again = publish(&source, vec![other.clone()]).await;
    assert_eq!((again.unchanged, again.corrected), (1, 0), "what is sealed is recognized");
    let text = kept(&hub.store).await;
    for canary in [FEE, PAPER, PAPER_CODE] {
        assert!(!text.contains(canary), "{canary} is kept in clear");
    }
    let trusted = reader(&hub, "tin-cay", true).await;
    let whole = format!("{FEE}|{PAPER}|{PAPER_CODE}|{PAPER}|");
    assert_eq!(texts(&get(&trusted, "H-1").await), whole);
    assert_eq!(texts(&get(&source, "H-1").await), "||||", "a key is shown none");
    let plain = reader(&hub, "thuong", false).await;
    let list = pb::ListDossiersRequest::default();
    let listed = plain.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers;
    for seen in [&get(&plain, "H-1").await, &listed[0]] {
        assert_eq!((texts(seen).as_str(), seen.personal_data_withheld), ("||||", true));
        assert_eq!((seen.fees[0].amount.as_str(), seen.fees[0].paid_online), ("15000", true));
        assert!(seen.components[0].digitized && !seen.components[0].reused);
    }
    let mut masked = get(&trusted, "H-1").await;
    assert!(masked.project(sharehub::personal::Tier::Masked));
    assert_eq!(texts(&masked), "***|***|***|***|");
    // Erased, they are gone from every version; the amounts stay, and the source cannot bring them back.
    let receipt = erased(&hub, erase(&["H-1"], false)).await.unwrap();
    assert_eq!(receipt.corrected, 1);
    let before = first.revision.unwrap().number;
    for seen in [get(&trusted, "H-1").await, get_at(&trusted, "H-1", before).await] {
        assert_eq!((texts(&seen).as_str(), seen.fees[0].amount.as_str()), ("||||", "15000"));
        assert!(!seen.personal_data_withheld);
    }
    assert_eq!(texts(&get(&trusted, "H-2").await), whole);
    let sent = pb::DossierEntry { events: vec![event("1", "")], ..other };
    let again = publish(&source, vec![sent]).await;
    assert_eq!(again.unchanged, 1, "{again:?}");
    assert_eq!(texts(&get(&trusted, "H-1").await), "||||");
    assert_eq!(erase::reseal(&hub.hub).await.unwrap(), 0);
    // Of one that is withdrawn, the tombstone holds none.
    let gone = pb::WithdrawDossiersRequest {
        dossiers: vec!["H-2".to_owned()],
        reason: "nhầm".to_owned(),
        ..Default::default()
    };
    source.dossiers().withdraw_dossiers(gone).await.unwrap();
    let receipt = erased(&hub, erase(&["H-2"], false)).await.unwrap();
    assert_eq!(receipt.corrected, 1);
    assert_eq!(texts(&get_at(&trusted, "H-2", before).await), "||||");
}

#[tokio::test]
async fn without_keys_no_name_of_a_document_is_kept() {
    let hub = Hub::open_sealed(Store::new().await, Vault::default()).await;
    let source = source(&hub).await;
    let entry = pb::DossierEntry { events: vec![event("1", "")], fees: Vec::new(), ..named("H-1") };
    let receipt = publish(&source, vec![entry]).await;
    let refused = &receipt.results[0];
    assert_eq!(refused.reason(), pb::ErrorReason::PersonalDataLocked);
    assert_eq!(refused.violations[0].field, "components[0].name");
}
