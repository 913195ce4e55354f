//! Facts about procedures, dossiers, and counts of them.
use sharehub::pb;

use super::{Facts, instant, name, revision, whole};

fn dossier(it: &pb::Dossier) -> String {
    let units = [&it.receiving_unit, &it.competent_unit, &it.applicant_unit].map(name);
    let moments = [&it.submitted_at, &it.accepted_at, &it.due_at, &it.finished_at, &it.returned_at]
        .map(instant);
    let applicant = it.applicant.as_ref();
    let applicant = applicant.map(|it| {
        [&it.name, &it.identity_number, &it.phone, &it.email, &it.address].map(String::as_str)
    });
    let fees: Vec<_> =
        it.fees.iter().map(|it| format!("{} {} {}", it.name, it.amount, it.paid_online)).collect();
    let papers = it.components.iter().chain(&it.results);
    let papers: Vec<_> = papers
        .map(|it| format!("{} {} {} {}", it.name, it.code, it.digitized, it.reused))
        .collect();
    let events = it.events.iter();
    let events: Vec<_> = events
        .map(|it| {
            let (at, due) = (instant(&it.occurred_at), instant(&it.due_at));
            format!(
                "{} {at} {:?} {} {due} {:?} made {}",
                it.event_id,
                it.state(),
                it.source_status,
                it.note,
                it.revision
            )
        })
        .collect();
    format!(
        "dossier {} of {} procedure {}/{}/{} {units:?} {:?} {:?} {applicant:?} withheld {} erased {} {fees:?} \
         {papers:?} {:?} {moments:?} {events:?} made {}",
        it.code,
        it.source,
        it.procedure,
        it.source_procedure,
        it.procedure_case,
        it.channel(),
        it.applicant_kind(),
        it.personal_data_withheld,
        it.personal_data_erased,
        it.state(),
        revision(&it.revision),
    )
}

impl Facts<'_> {
    pub async fn dossiers(&self) -> Vec<String> {
        let list = pb::ListProceduresRequest { page: whole(), ..Default::default() };
        let listed =
            self.reader.dossiers().list_procedures(list).await.unwrap().into_inner().procedures;
        let mut facts: Vec<_> = listed
            .iter()
            .map(|it| {
                let cases: Vec<_> = it
                    .cases
                    .iter()
                    .map(|it| {
                        format!("{} {} {} {:?}", it.code, it.name, it.max_time, it.time_unit())
                    })
                    .collect();
                let aliases: Vec<_> =
                    it.aliases.iter().map(|it| format!("{} {}", it.source, it.alias)).collect();
                let field = format!(
                    "{} {} {:?} {:?} {}",
                    it.field_code,
                    it.field_name,
                    it.owner_level(),
                    it.online_level(),
                    it.has_fee
                );
                format!(
                    "procedure {} {} {field} {cases:?} {aliases:?} made {}",
                    it.code, it.name, it.revision
                )
            })
            .collect();
        let trusted = self.hub.by_certificate("so-tu-phap").await;
        for client in [&self.reader, &trusted] {
            let list = pb::ListDossiersRequest { page: whole(), ..Default::default() };
            let listed = client.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers;
            facts.extend(listed.iter().map(dossier));
        }
        facts
    }

    pub async fn one_dossier(&self) -> Vec<String> {
        let trusted = self.hub.by_certificate("so-tu-phap").await;
        let mut client = trusted.dossiers();
        let mut facts = Vec::new();
        for consistency in [None, self.at("before_dossiers_changed")] {
            let get = pb::GetDossierRequest {
                code: "H53.1".to_owned(),
                consistency,
                ..Default::default()
            };
            facts.push(dossier(
                &client.get_dossier(get).await.unwrap().into_inner().dossier.unwrap(),
            ));
        }
        let number = pb::applicant_key::Key::IdentityNumber("079203001234".to_owned());
        let applicant = Some(pb::ApplicantKey { key: Some(number) });
        let find = pb::ListDossiersRequest { applicant, page: whole(), ..Default::default() };
        let found = client.list_dossiers(find).await.unwrap().into_inner().dossiers;
        facts.extend(found.iter().map(|it| format!("found by number: {}", it.code)));
        let look = pb::LookUpDossierRequest { code: "H53.2".to_owned(), consistency: None };
        let seen = client.look_up_dossier(look).await.unwrap().into_inner();
        facts.push(format!(
            "looked up {} {} {:?} {}",
            seen.code,
            seen.procedure_name,
            seen.state(),
            instant(&seen.accepted_at)
        ));
        facts
    }

    pub async fn counts(&self) -> Vec<String> {
        let count = pb::SummarizeDossiersRequest {
            rule: "national-766".to_owned(),
            period: "2025".to_owned(),
            by: vec![pb::SummaryDimension::Procedure.into()],
            as_of: Some(prost_types::Timestamp { seconds: 1_767_100_000, nanos: 0 }),
            ..Default::default()
        };
        let told = self.reader.dossiers().summarize_dossiers(count).await.unwrap().into_inner();
        let groups =
            told.groups.iter().map(|it| (it.procedure.clone(), it.counts.clone().unwrap()));
        [("all".to_owned(), told.total.clone().unwrap())]
            .into_iter()
            .chain(groups)
            .map(|(what, it)| {
                let finished = [it.finished_early, it.finished_on_time, it.finished_late];
                let open = [
                    it.in_process_in_time,
                    it.in_process_overdue,
                    it.supplement_in_time,
                    it.supplement_overdue,
                ];
                let rate = [it.on_time_numerator, it.on_time_denominator];
                let rest = [it.received, it.received_online, it.carried_over, it.undetermined];
                format!(
                    "counts {what} {rest:?} finished {finished:?} open {open:?} {rate:?} {:?}",
                    it.on_time_rate
                )
            })
            .collect()
    }
}
