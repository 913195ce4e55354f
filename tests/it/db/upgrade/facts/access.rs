//! Facts about systems, their keys, and agreements.
use sharehub::pb;

use super::{Facts, instant, text, whole};
use crate::support::client::refusal;

impl Facts<'_> {
    pub async fn systems(&self) -> Vec<String> {
        let list = pb::ListSystemsRequest { page: whole(), consistency: self.at("head") };
        let listed =
            self.hub.admin().access().list_systems(list).await.unwrap().into_inner().systems;
        let told = |it: &pb::RegisteredSystem| {
            let duties = it.grants.clone().unwrap();
            let flags = [
                duties.administrator,
                duties.publish_units,
                duties.define_procedures,
                duties.auditor,
            ];
            let statuses: Vec<_> = it
                .statuses
                .iter()
                .map(|it| format!("{} {:?}", it.source_status, it.state()))
                .collect();
            let keys = it.keys.iter();
            let keys: Vec<_> = keys
                .map(|it| {
                    let ends = [&it.issued_at, &it.expires_at, &it.revoked_at].map(instant);
                    format!("{} {ends:?}", it.id)
                })
                .collect();
            format!(
                "system {} {} {flags:?} {:?} {statuses:?} disabled {} made {} {keys:?}",
                it.code, it.name, duties.define_indicators, it.disabled, it.revision
            )
        };
        // The administrator gets a key from each hub of the tests.
        listed.iter().filter(|it| it.code != "admin").map(told).collect()
    }

    /// What becomes of keys that were issued then.
    pub async fn keys(&self) -> Vec<String> {
        let mut facts = Vec::new();
        for key in ["reader_key", "auditor_key", "revoked_key", "disabled_key"] {
            let client = self.hub.as_(text(self.notes, key));
            facts.push(match client.access().who_am_i(pb::WhoAmIRequest {}).await {
                Ok(answer) => format!("{key} is {}", answer.into_inner().system.unwrap().code),
                Err(status) => format!("{key} is refused: {}", refusal(Err::<(), _>(status)).1),
            });
        }
        facts
    }

    pub async fn agreements(&self) -> Vec<String> {
        let list =
            pb::ListAgreementsRequest { with_ended: true, page: whole(), ..Default::default() };
        let listed =
            self.hub.admin().access().list_agreements(list).await.unwrap().into_inner().agreements;
        let told = |it: &pb::Agreement| {
            let operations: Vec<_> = it.operations().collect();
            let limits: Vec<_> =
                it.limits.iter().map(|it| format!("{} {:?}", it.calls, it.per())).collect();
            let document = it.document.as_ref().map(|it| [it.number.as_str(), it.sha256.as_str()]);
            let ends = [&it.valid_from, &it.valid_before, &it.revoked_at].map(instant);
            let dataset = match it.dataset.as_ref().unwrap() {
                pb::agreement::Dataset::Indicators(it) => format!("{:?}", it.patterns),
                pb::agreement::Dataset::Dossiers(it) => {
                    format!("{:?} {:?}", it.fields, it.procedures)
                }
            };
            format!(
                "agreement {} {} {} {} {} {document:?} {operations:?} {dataset} {} units {:?} {ends:?} {limits:?} \
                 made {}",
                it.code,
                it.system,
                it.purpose,
                it.title,
                it.legal_basis,
                it.units.len(),
                it.personal_data(),
                it.revision
            )
        };
        listed.iter().map(told).collect()
    }
}
