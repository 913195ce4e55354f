//! Facts about the feed, loads and the audit log.
use sharehub::pb::{self, watch_request::From, watch_response::Message};
use tokio::time;

use super::{Facts, instant, number, text, whole};
use crate::support::{
    history::{dossiers, indicators, key},
    loads::Sender,
};

impl Facts<'_> {
    /// What a watch tells through a revision.
    async fn watched(&self, from: From, filters: Vec<pb::WatchFilter>) -> Vec<String> {
        let head = number(self.notes, "head");
        let request = pb::WatchRequest { filters, from: Some(from), bookmark_seconds: 1 };
        let mut watch = self.reader.feed().watch(request).await.unwrap().into_inner();
        let mut facts = Vec::new();
        loop {
            let told = time::timeout(time::Duration::from_secs(60), watch.message());
            let through =
                match told.await.expect("the watch goes on").unwrap().unwrap().message.unwrap() {
                    Message::Changes(it) => {
                        let made = it.changes.iter().filter(|it| it.revision <= head);
                        facts.extend(
                            made.map(|it| format!("{} {:?} {}", it.revision, it.r#type(), key(it))),
                        );
                        it.through
                    }
                    Message::Bookmark(it) => it.through,
                    Message::Resync(it) => panic!("{it:?}"),
                };
            if through.is_some_and(|it| it.number >= head) {
                return facts;
            }
        }
    }

    pub async fn state(&self) -> Vec<String> {
        let filters = || vec![indicators(&["*"]), dossiers(pb::DossierFilter::default())];
        self.watched(From::Beginning(true), filters()).await
    }

    /// A token that was handed out then is gone on from.
    pub async fn resumed(&self) -> Vec<String> {
        let token = text(self.notes, "resume_token").to_owned();
        self.watched(From::ResumeToken(token), vec![indicators(&["*"])]).await
    }

    /// How far consumers of the feed and loads have come.
    pub async fn positions(&self) -> Vec<String> {
        let list = pb::ListConsumersRequest { page: whole() };
        let listed =
            self.hub.admin().feed().list_consumers(list).await.unwrap().into_inner().consumers;
        let mut facts: Vec<_> = listed
            .iter()
            .map(|it| {
                format!(
                    "consumer {} {} {} {}",
                    it.system,
                    it.consumer,
                    it.revision,
                    instant(&it.acknowledged_at)
                )
            })
            .collect();
        let publisher = self.hub.as_(text(self.notes, "publisher_key"));
        let (sender, durable) = Sender::open(&publisher, "nam-2023").await;
        drop(sender);
        facts.push(format!("load nam-2023 is durable through {durable}"));
        facts
    }

    pub async fn records(&self) -> Vec<String> {
        let auditor = self.hub.as_(text(self.notes, "auditor_key"));
        let list = pb::ListRecordsRequest { page: whole(), ..Default::default() };
        let listed = auditor.audit().list_records(list).await.unwrap().into_inner().records;
        let size = number(self.notes, "audit_size");
        let told = |it: &pb::AuditRecord| {
            let who =
                [&it.system, &it.credential, &it.method, &it.purpose, &it.agreement, &it.outcome];
            let numbers = [it.epoch, it.items, it.revision, it.left_out];
            let kinds = format!("{:?} {:?} {:?}", it.phase(), it.reason(), it.tier());
            format!(
                "record {} {} {who:?} {numbers:?} {kinds} {} {:?}",
                it.seq,
                instant(&it.at),
                it.personal_data,
                it.subjects
            )
        };
        let mut facts: Vec<_> = listed
            .iter()
            .filter(|it| it.seq <= size && it.method != "UnitService/GetUnit")
            .map(told)
            .collect();
        let list = pb::ListAccessToSubjectRequest {
            dossier: "H53.1".to_owned(),
            page: whole(),
            applicant: None,
        };
        let seen = auditor.audit().list_access_to_subject(list).await.unwrap().into_inner().records;
        facts.extend(
            seen.iter()
                .filter(|it| it.seq <= size)
                .map(|it| format!("H53.1 was seen in record {}", it.seq)),
        );
        facts
    }

    /// The log goes on from where it was: its beginning has the root that it had.
    pub async fn proofs(&self) -> Vec<String> {
        let size = number(self.notes, "audit_size");
        let auditor = self.hub.as_(text(self.notes, "auditor_key"));
        let prove = pb::ProveConsistencyRequest { first: size, second: 0 };
        let proof = auditor.audit().prove_consistency(prove).await.unwrap().into_inner();
        let root: String = proof.first_root.iter().map(|it| format!("{it:02x}")).collect();
        let ask = pb::GetCheckpointRequest {};
        let key = auditor.audit().get_checkpoint(ask).await.unwrap().into_inner().public_key;
        vec![
            format!("the log's first {size} records have root {root}"),
            format!("its key is {key}"),
        ]
    }
}
