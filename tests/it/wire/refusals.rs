//! Refusals of many fields: what the message and its Vietnamese edition say of them.
use sharehub::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::support::{
    client::{Grants, agreement, gso, refusal},
    hub::Hub,
};

#[tokio::test]
async fn a_refusal_of_many_fields_names_the_first_and_counts_the_rest_in_both_languages() {
    let hub = Hub::start().await;
    let caller = hub.system("so-y-te", Grants { publish_units: true, ..Grants::default() }).await;
    let ask = pb::RegisterSystemRequest { code: "Sở Y tế".to_owned(), ..Default::default() };
    let refused = hub.admin().access().register_system(ask).await.unwrap_err();
    assert!(refused.message().starts_with("code must be lower-case letters"), "{refused:?}");
    assert!(refused.message().ends_with(" (and 1 more)"), "{refused:?}");
    let told = refused.get_details_localized_message().unwrap();
    let sentence = "Yêu cầu có trường dữ liệu không hợp lệ: `code`, `name`.";
    assert_eq!((told.locale.as_str(), told.message.as_str()), ("vi", sentence));
    // Of a list that is resolved after it was read, the paths are whole, too.
    let granted = pb::Agreement {
        units: vec![gso("80", "2024-12-31").unwrap(), gso("99999", "2024-12-31").unwrap()],
        ..agreement(
            "so-y-te.more",
            "so-y-te",
            &[pb::AgreementOperation::Read],
            pb::agreement::Dataset::Dossiers(pb::DossierDataset::default()),
        )
    };
    let ask = pb::GrantAgreementRequest { agreement: Some(granted), ..Default::default() };
    let (code, reason, fields) = refusal(hub.admin().access().grant_agreement(ask).await);
    assert_eq!((code, reason.as_str()), (Code::NotFound, "NOT_FOUND"));
    assert_eq!(fields, ["agreement.units[1].code.code"]);
    let denied = caller.access().list_systems(pb::ListSystemsRequest::default()).await.unwrap_err();
    let told = denied.get_details_localized_message().unwrap();
    assert_eq!(told.message, "Hệ thống gọi không có quyền thực hiện việc này.");
}
