//! `DossierService` on the wire: open, ask, answer.
mod entries;
mod keys;
pub mod questions;

use std::sync::Arc;

use tonic::{Request, Streaming, codegen::BoxStream};

use super::{
    Alias, Case, Code, Document, Dossier, DossierView, Event, EventEntry, Fee, Header, Procedure,
    ProcedureCode,
    catalogue::Catalogue,
    history::Standing,
    national_766::DossierCounts,
    store::{
        self, DossierNames,
        look_up::{self, LookedUp, Lookups},
        summary::{Group, ShownCounts, Summary},
    },
    suppression::PartialCounts,
};
use crate::{
    dossier::queries::{Define, Entry, Erase, Publish, PublishEvents},
    error::Reply,
    hub::{BatchOptions, Hub, held::HeldRequest, row::held_change::HeldKind},
    load, pb,
    personal::Applicant,
    revision::{Revision, withdrawal::Withdrawal},
    time::Timestamp,
    unit::forest::Forest,
    wire::{
        done, open,
        projection::Project,
        reply,
        stream::{open_stream, sheets, stream},
    },
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Look-ups by code, at the newest revision.
    pub dossiers: Arc<Lookups>,
}

/// Starts the service, with its look-ups.
pub fn start(hub: &Arc<Hub>) -> Rpc {
    Rpc { hub: Arc::clone(hub), dossiers: look_up::start(hub) }
}

#[tonic::async_trait]
impl pb::dossier_service_server::DossierService for Rpc {
    async fn define_procedures(
        &self,
        req: Request<pb::DefineProceduresRequest>,
    ) -> Reply<pb::DefineProceduresResponse> {
        let request = HeldRequest::of(HeldKind::Procedures, req.get_ref());
        let (caller, (ask, define)): (_, (BatchOptions, Define)) = open(req)?;
        let receipt = self.hub.write_or_hold(&caller, ask, define, request).await?;
        done(pb::DefineProceduresResponse { receipt: Some(receipt.into()) })
    }

    async fn withdraw_procedures(
        &self,
        req: Request<pb::WithdrawProceduresRequest>,
    ) -> Reply<pb::WithdrawProceduresResponse> {
        let (caller, (ask, withdrawal)): (_, (BatchOptions, Withdrawal<ProcedureCode>)) =
            open(req)?;
        let receipt = self.hub.write_batch(&caller, ask, withdrawal).await?;
        done(pb::WithdrawProceduresResponse { receipt: Some(receipt.into()) })
    }

    async fn get_procedure(
        &self,
        req: Request<pb::GetProcedureRequest>,
    ) -> Reply<pb::GetProcedureResponse> {
        let (caller, get) = open(req)?;
        let (read_at, procedure) = store::procedures::get(&self.hub, &caller, get).await?;
        let procedure = Some(procedure.into());
        reply(pb::GetProcedureResponse { read_at: Some(read_at.into()), procedure })
    }

    async fn list_procedures(
        &self,
        req: Request<pb::ListProceduresRequest>,
    ) -> Reply<pb::ListProceduresResponse> {
        let (caller, list) = open(req)?;
        let (read_at, page) = store::procedures::list(&self.hub, &caller, list).await?;
        reply(pb::ListProceduresResponse {
            read_at: Some(read_at.into()),
            procedures: page.items.into_iter().map(Into::into).collect(),
            next_page_token: page.next,
        })
    }

    async fn publish_dossiers(
        &self,
        req: Request<pb::PublishDossiersRequest>,
    ) -> Reply<pb::PublishDossiersResponse> {
        let (caller, (ask, publish)): (_, (BatchOptions, Publish)) = open(req)?;
        let receipt = self.hub.write_batch(&caller, ask, publish).await?;
        done(pb::PublishDossiersResponse { receipt: Some(receipt.into()) })
    }

    type IngestDossiersStream = BoxStream<pb::IngestDossiersResponse>;

    async fn ingest_dossiers(
        &self,
        req: Request<Streaming<pb::IngestDossiersRequest>>,
    ) -> Reply<Self::IngestDossiersStream> {
        let (caller, messages) = open_stream(req)?;
        let progress = load::run::<_, Entry>(&self.hub, caller, messages)?;
        stream(progress)
    }

    async fn withdraw_dossiers(
        &self,
        req: Request<pb::WithdrawDossiersRequest>,
    ) -> Reply<pb::WithdrawDossiersResponse> {
        let (caller, (ask, withdrawal)): (_, (BatchOptions, Withdrawal<Code>)) = open(req)?;
        let receipt = self.hub.write_batch(&caller, ask, withdrawal).await?;
        done(pb::WithdrawDossiersResponse { receipt: Some(receipt.into()) })
    }

    async fn publish_events(
        &self,
        req: Request<pb::PublishEventsRequest>,
    ) -> Reply<pb::PublishEventsResponse> {
        let (caller, (ask, publish)): (_, (BatchOptions, PublishEvents)) = open(req)?;
        let receipt = self.hub.write_batch(&caller, ask, publish).await?;
        done(pb::PublishEventsResponse { receipt: Some(receipt.into()) })
    }

    async fn get_dossier(
        &self,
        req: Request<pb::GetDossierRequest>,
    ) -> Reply<pb::GetDossierResponse> {
        let (caller, get) = open(req)?;
        let (read_at, names, shown) = look_up::get(&self.hub, &self.dossiers, &caller, get).await?;
        let dossier = Some(answer(&names, shown));
        reply(pb::GetDossierResponse { read_at: Some(read_at.into()), dossier })
    }

    async fn look_up_dossier(
        &self,
        req: Request<pb::LookUpDossierRequest>,
    ) -> Reply<pb::LookUpDossierResponse> {
        let (caller, asked) = open(req)?;
        let (read_at, names, code, found) =
            look_up::look_up(&self.hub, &self.dossiers, &caller, asked).await?;
        reply(look(read_at, &names, code, found))
    }

    async fn list_dossiers(
        &self,
        req: Request<pb::ListDossiersRequest>,
    ) -> Reply<pb::ListDossiersResponse> {
        let (caller, list) = open(req)?;
        let (read_at, names, page) = store::list(&self.hub, &caller, list).await?;
        reply(pb::ListDossiersResponse {
            read_at: Some(read_at.into()),
            dossiers: page.items.into_iter().map(|it| answer(&names, it)).collect(),
            next_page_token: page.next,
        })
    }

    type ExportDossiersStream = BoxStream<pb::ExportDossiersResponse>;

    async fn export_dossiers(
        &self,
        req: Request<pb::ExportDossiersRequest>,
    ) -> Reply<Self::ExportDossiersStream> {
        let (caller, asked) = open(req)?;
        let (read_at, pages) = store::export::export(&self.hub, caller, asked).await?;
        let dossiers = |(names, page): (DossierNames, Vec<DossierView>)| {
            page.into_iter().map(|it| answer(&names, it)).collect()
        };
        sheets(read_at, pages, dossiers, |read_at, dossiers| pb::ExportDossiersResponse {
            read_at,
            dossiers,
        })
    }

    async fn erase_personal_data(
        &self,
        req: Request<pb::ErasePersonalDataRequest>,
    ) -> Reply<pb::ErasePersonalDataResponse> {
        let (caller, (ask, erase)): (_, (BatchOptions, Erase)) = open(req)?;
        let receipt = self.hub.write_batch(&caller, ask, erase).await?;
        done(pb::ErasePersonalDataResponse { receipt: Some(receipt.into()) })
    }

    async fn summarize_dossiers(
        &self,
        req: Request<pb::SummarizeDossiersRequest>,
    ) -> Reply<pb::SummarizeDossiersResponse> {
        let (caller, asked) = open(req)?;
        let (read_at, forest, summary) =
            store::summary::summarize(&self.hub, &caller, asked).await?;
        reply(summed(read_at, &forest, summary))
    }
}

// === rows out ===

impl From<Procedure> for pb::Procedure {
    fn from(it: Procedure) -> Self {
        let Procedure {
            id: _,
            code,
            name,
            field_code,
            field_name,
            owner_level,
            online_level,
            has_fee,
            cases,
            aliases,
            made_at,
        } = it;
        let case = |Case { code, name, longest }| pb::ProcedureCase {
            code,
            name,
            max_time: longest.map_or(0, |it| it.count),
            time_unit: longest.map_or(0, |it| it.unit.number()),
        };
        let alias = |Alias { source, alias }| pb::ProcedureAlias { source, alias };
        Self {
            code: code.as_str().to_owned(),
            name,
            field_code,
            field_name,
            owner_level: owner_level.map_or(0, |it| it.number()),
            online_level: online_level.map_or(0, |it| it.number()),
            has_fee,
            cases: cases.into_iter().map(case).collect(),
            aliases: aliases.into_iter().map(alias).collect(),
            revision: made_at,
            expected_revision: None,
        }
    }
}

pub(crate) fn answer(names: &DossierNames, shown: DossierView) -> pb::Dossier {
    let DossierNames { forest, catalogue, directory, times } = names;
    let DossierView { dossier, applicant, events, tier, withheld } = shown;
    let Dossier { id: _, code, source_id, header, standing, made_at } = dossier;
    let Header {
        procedure_id,
        source_procedure,
        procedure_case,
        receiving_unit_id,
        competent_unit_id,
        applicant_unit_id,
        channel,
        applicant_kind,
        applicant: _,
        digests: _,
        erased,
        fees,
        components,
        results,
    } = header;
    let Standing {
        state,
        submitted_at,
        accepted_at,
        due_at,
        finished_at,
        returned_at,
        received_on: _,
    } = standing;
    let at = times.get(&made_at).copied().unwrap_or(Timestamp::from_micros(0));
    let mut answer = pb::Dossier {
        code: code.as_str().to_owned(),
        source: directory.code_of(source_id),
        procedure: catalogue.code_of(procedure_id),
        source_procedure,
        procedure_case,
        receiving_unit: Some(forest.name(receiving_unit_id).into()),
        competent_unit: competent_unit_id.map(|it| forest.name(it).into()),
        applicant_unit: applicant_unit_id.map(|it| forest.name(it).into()),
        channel: channel.map_or(0, |it| it.number()),
        applicant_kind: applicant_kind.map_or(0, |it| it.number()),
        applicant: applicant.map(Into::into),
        personal_data_withheld: withheld,
        personal_data_erased: erased,
        fees: fees.into_iter().map(Into::into).collect(),
        components: components.into_iter().map(Into::into).collect(),
        results: results.into_iter().map(Into::into).collect(),
        state: state.map_or(0, |it| it.number()),
        submitted_at: submitted_at.map(Into::into),
        accepted_at: accepted_at.map(Into::into),
        due_at: due_at.map(Into::into),
        finished_at: finished_at.map(Into::into),
        returned_at: returned_at.map(Into::into),
        events: events.into_iter().map(Into::into).collect(),
        revision: Some(Revision { number: made_at, at }.into()),
    };
    answer.personal_data_withheld |= answer.project(tier);
    answer
}

fn look(
    read_at: Revision,
    names: &DossierNames,
    code: String,
    found: LookedUp,
) -> pb::LookUpDossierResponse {
    let DossierNames { forest, catalogue, directory: _, times: _ } = names;
    let Standing {
        state,
        submitted_at,
        accepted_at,
        due_at,
        finished_at,
        returned_at,
        received_on: _,
    } = found.standing;
    pb::LookUpDossierResponse {
        read_at: Some(read_at.into()),
        code,
        procedure: catalogue.code_of(found.procedure_id),
        procedure_name: name_of(catalogue, found.procedure_id),
        receiving_unit: Some(forest.name(found.receiving_unit_id).into()),
        state: state.map_or(0, |it| it.number()),
        submitted_at: submitted_at.map(Into::into),
        accepted_at: accepted_at.map(Into::into),
        due_at: due_at.map(Into::into),
        finished_at: finished_at.map(Into::into),
        returned_at: returned_at.map(Into::into),
    }
}

fn name_of(catalogue: &Catalogue, id: i64) -> String {
    catalogue.get(id).map_or_else(String::new, |it| it.name.clone())
}

impl From<Applicant> for pb::Applicant {
    fn from(it: Applicant) -> Self {
        let Applicant { name, identity_number, phone, email, address } = it;
        Self { name, identity_number, phone, email, address }
    }
}

impl From<Fee> for pb::DossierFee {
    fn from(Fee { name, amount, paid_online }: Fee) -> Self {
        Self { name: name.clear(), amount: amount.to_string(), paid_online }
    }
}

impl From<Document> for pb::DossierDocument {
    fn from(Document { name, code, digitized, reused }: Document) -> Self {
        Self { name: name.clear(), code: code.clear(), digitized, reused }
    }
}

impl From<Event> for pb::DossierEvent {
    fn from(Event { identity: _, sent, state, made_at }: Event) -> Self {
        let EventEntry { event_id, occurred_at, source_status, due_at, note } = sent;
        Self {
            event_id,
            occurred_at: Some(occurred_at.into()),
            state: state.number(),
            source_status,
            due_at: due_at.map(Into::into),
            note: note.clear(),
            revision: made_at,
        }
    }
}

fn summed(read_at: Revision, forest: &Forest, summary: Summary) -> pb::SummarizeDossiersResponse {
    let Summary { rule, period, counted_to, total, groups } = summary;
    let group = |(group, counts): (Group, ShownCounts)| {
        let Group { unit_id, procedure, channel, month } = group;
        let (counts, partial_counts) = told(counts);
        pb::DossierGroup {
            unit: unit_id.map(|it| forest.name(it).into()),
            procedure: procedure.unwrap_or_default(),
            channel: channel.map_or(0, |it| it.number()),
            month: month.map_or_else(String::new, |(year, month)| format!("{year:04}-{month:02}")),
            counts,
            suppressed: partial_counts.is_some(),
            partial_counts,
        }
    };
    let (total, partial_total) = told(total);
    pb::SummarizeDossiersResponse {
        read_at: Some(read_at.into()),
        rule: rule.name().to_owned(),
        period: period.to_string(),
        counted_to: Some(counted_to.into()),
        total,
        groups: groups.into_iter().map(group).collect(),
        suppressed: partial_total.is_some(),
        partial_total,
    }
}

fn told(it: ShownCounts) -> (Option<pb::DossierCounts>, Option<pb::PartialDossierCounts>) {
    match it {
        ShownCounts::Whole(counts) => (Some(counts.into()), None),
        ShownCounts::Partial(counts) => (None, Some(counts.into())),
    }
}

impl From<PartialCounts> for pb::PartialDossierCounts {
    fn from(it: PartialCounts) -> Self {
        let on_time_rate = it.rate().map(|it| it.to_string());
        let PartialCounts { received, received_online, buckets, numerator, denominator } = it;
        let [
            early,
            on_time,
            late,
            open,
            overdue,
            waits,
            waits_late,
            stopped,
            stopped_late,
            unknown,
        ] = buckets;
        Self {
            received,
            finished_early: early,
            finished_on_time: on_time,
            finished_late: late,
            in_process_in_time: open,
            in_process_overdue: overdue,
            supplement_in_time: waits,
            supplement_overdue: waits_late,
            stopped_in_time: stopped,
            stopped_late,
            undetermined: unknown,
            on_time_numerator: numerator,
            on_time_denominator: denominator,
            on_time_rate,
            received_online,
        }
    }
}

impl From<DossierCounts> for pb::DossierCounts {
    fn from(it: DossierCounts) -> Self {
        let DossierCounts {
            received,
            carried_over,
            received_online,
            finished_early,
            finished_on_time,
            finished_late,
            in_process_in_time,
            in_process_overdue,
            supplement_in_time,
            supplement_overdue,
            stopped_in_time,
            stopped_late,
            undetermined,
        } = it;
        Self {
            received,
            carried_over,
            finished_early,
            finished_on_time,
            finished_late,
            in_process_in_time,
            in_process_overdue,
            supplement_in_time,
            supplement_overdue,
            stopped_in_time,
            stopped_late,
            undetermined,
            on_time_numerator: it.numerator(),
            on_time_denominator: it.denominator(),
            on_time_rate: it.rate().map(|it| it.to_string()),
            received_online,
        }
    }
}
