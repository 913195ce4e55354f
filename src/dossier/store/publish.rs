//! Publishes dossiers and events: reads the known ones by one query, computes in memory, and writes all differences at
//! once.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{DossierSubject, applicant_of, every_version, is_inside_whole, note_of, texts};
use crate::{
    caller::{
        Caller,
        agreement::{Operation, outside},
        directory::Directory,
        policy::Kind,
    },
    db::bulk::{self, Keys},
    dossier::{
        Code, Dossier, Event, EventEntry, Header, Procedure, State,
        catalogue::Catalogue,
        history,
        queries::{Entry, Publish, PublishEvents},
        row::{dossier, event, of_dossier, of_event, tombstone},
    },
    error::{Error, Reason, Result, Violation},
    hub::{BatchOutcome, Hub, WriteOp},
    load,
    outcome::Outcome,
    personal::{Personal, vault::Vault},
    revision::{receipt::ItemResult, touched::TouchedSet, write::Write},
    time::{Day, Timestamp},
    unit::{self, forest::Forest},
};

/// Publishes dossiers with their events.
impl WriteOp for Publish {
    const PUBLISHES: bool = true;
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<BatchOutcome> {
        let Publish(entries) = self;
        let codes = entries.iter().flatten().map(|it| it.code.as_str());
        let mut draft = DossierDraft::read(hub, caller, write, codes).await?;
        let items = entries.into_iter().map(|it| draft.dossier(it?)).collect();
        draft.keep(write).await?;
        Ok(BatchOutcome::new(items, TouchedSet::DOSSIERS))
    }
}

impl load::Item for Entry {
    const LIST: &'static str = "dossiers";

    fn weight(&self) -> usize {
        1 + self.events.len()
    }

    async fn keep(
        hub: &Hub,
        write: &Write,
        caller: &Caller,
        items: Vec<Result<Self>>,
    ) -> Result<BatchOutcome> {
        Publish(items).run(hub, write, caller).await
    }
}

/// Adds events to dossiers.
impl WriteOp for PublishEvents {
    const PUBLISHES: bool = true;
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<BatchOutcome> {
        let PublishEvents(events) = self;
        let codes = events.iter().flatten().map(|(code, _)| code.as_str());
        let mut draft = DossierDraft::read(hub, caller, write, codes).await?;
        let items = events.into_iter().map(|it| it.and_then(|(code, it)| draft.event(&code, &it)));
        let items = items.collect();
        draft.keep(write).await?;
        Ok(BatchOutcome::new(items, TouchedSet::DOSSIERS))
    }
}

/// A dossier as it stands, with the changes of this batch.
pub(super) struct KnownDossier {
    pub(super) dossier: Dossier,
    events: BTreeMap<String, Event>,
    /// The revision of the version that stands, unless it is new.
    stood: Option<i64>,
    /// Why this batch withdraws it, if it does.
    pub(super) withdrawn: Option<Arc<str>>,
    /// Whether it must be written.
    pub(super) is_changed: bool,
    /// Whether an earlier item of this batch named it.
    is_seen: bool,
}

impl KnownDossier {
    /// The applicant as stored, resealed under today's key.
    fn renew(&mut self, vault: &Vault, code: &str) -> Result<()> {
        if let Some(it) = &mut self.dossier.header.applicant {
            *it = it.renewed(vault, &applicant_of(code))?;
        }
        texts::renew(&mut self.dossier.header, vault, code)?;
        for event in self.events.values_mut() {
            event.sent.note = event.sent.note.renewed(vault, &note_of(code))?;
        }
        Ok(())
    }
}

/// A dossier that was withdrawn.
pub(super) struct Withdrawn {
    source_id: i64,
    /// Whether its personal data was erased.
    erased: bool,
}

/// Every dossier that a batch names.
pub(super) struct DossierDraft<'a> {
    pub(super) caller: &'a Caller,
    made_at: i64,
    vault: Vault,
    forest: Arc<Forest>,
    catalogue: Arc<Catalogue>,
    directory: Arc<Directory>,
    pub(super) known: HashMap<String, KnownDossier>,
    /// Those that do not stand because they were withdrawn, as the newest tombstone says.
    withdrawn: HashMap<String, Withdrawn>,
    next_id: i64,
}

impl<'a> DossierDraft<'a> {
    pub(super) async fn read(
        hub: &'a Hub,
        caller: &'a Caller,
        write: &Write,
        codes: impl Iterator<Item = &str>,
    ) -> Result<Self> {
        let (db, number) = (&write.db, write.head.newest.number);
        // One set of keys for the whole write: compared texts must be sealed alike.
        let vault = hub.db.vault().pinned();
        let codes: BTreeSet<_> = codes.collect();
        let mut known = HashMap::new();
        let mut by_id = HashMap::new();
        // Of any owner: a write must know who owns a code.
        let keys = Keys::new(db, &["code"], codes.iter().map(|it| vec![(*it).into()]))?;
        let rows: Vec<dossier::Model> = keys.standing(db, "dossier").await?;
        for row in rows {
            let made_at = row.made_at;
            let dossier = Dossier::try_from(row)?;
            let code = dossier.code.as_str().to_owned();
            by_id.insert(dossier.id, code.clone());
            let (events, is_changed, is_seen) = (BTreeMap::new(), false, false);
            let (stood, withdrawn) = (Some(made_at), None);
            known.insert(
                code,
                KnownDossier { dossier, events, stood, withdrawn, is_changed, is_seen },
            );
        }
        let gone = codes.into_iter().filter(|it| !known.contains_key(*it));
        let keys = Keys::new(db, &["code"], gone.map(|it| vec![it.into()]))?;
        let mut tombstones: Vec<dossier::Model> = keys.withdrawn(db, "dossier").await?;
        tombstones.sort_unstable_by_key(|it| it.made_at);
        let withdrawn = tombstones.into_iter().map(|it| {
            let (source_id, erased) = (it.source_id, it.erased);
            (it.code.as_str().to_owned(), Withdrawn { source_id, erased })
        });
        let withdrawn = withdrawn.collect();
        let keys = Keys::new(db, &["dossier_id"], by_id.keys().map(|it| vec![(*it).into()]))?;
        let events: Vec<event::Model> = keys.find(db, "dossier_event").await?;
        for row in events {
            let code = by_id.get(&row.dossier_id);
            if let Some(of) = code.and_then(|it| known.get_mut(it)) {
                of.events.insert(row.identity.clone(), Event::from(row));
            }
        }
        // Sealed twice: the first pass may switch to a newer key, which then seals all.
        for _ in 0..2 {
            for (code, it) in &mut known {
                it.renew(&vault, code)?;
            }
        }
        let last: Option<i64> = every_version(number)
            .select_only()
            .column(dossier::Column::Id)
            // Says nothing, but that the last one is found by its key.
            .filter(dossier::Column::Id.gt(0))
            .order_by_desc(dossier::Column::Id)
            .limit(1)
            .into_tuple()
            .one(db)
            .await?;
        Ok(Self {
            caller,
            made_at: write.revision.number,
            vault,
            forest: hub.reference::<Forest>(write).await?,
            catalogue: hub.reference::<Catalogue>(write).await?,
            directory: hub.reference::<Directory>(write).await?,
            known,
            withdrawn,
            next_id: last.unwrap_or(0) + 1,
        })
    }

    fn dossier(&mut self, entry: Entry) -> Result<ItemResult> {
        let code = entry.code.clone();
        let known = self.known.get(code.as_str());
        let is_handed_over = self.must_own(&code, known.map(|it| &it.dossier))?;
        if known.is_none() && entry.events.is_empty() {
            return Err(Error::field("events", "hold at least one event of a new dossier"));
        }
        let none = BTreeMap::new();
        let events = known.map_or(&none, |it| &it.events);
        let erased = match known {
            Some(it) => it.dossier.header.erased,
            // Its source still holds the erased data, even after a withdrawal.
            None => self.withdrawn_before(&code).is_some_and(|it| it.erased),
        };
        let path = |i: usize| format!("events[{i}]");
        let fresh = self.fresh(&code, erased, events, &entry.events, path)?;
        let steps = history::steps(events.values().chain(fresh.values()));
        let day = history::day(&steps).unwrap_or_else(Day::today);
        let header = self.header(entry, erased, day)?;
        self.must_cover(&header, Some(day), "receiving_unit")?;
        let outcome = match known {
            None => Outcome::Created,
            Some(it) if it.dossier.header == header && fresh.is_empty() && !is_handed_over => {
                Outcome::Unchanged
            }
            Some(it) if it.is_seen => {
                return Err(Error::field("code", "not stand in this batch twice"));
            }
            Some(_) => Outcome::Corrected,
        };
        let known = match self.known.get_mut(code.as_str()) {
            Some(known) => known,
            None => {
                let dossier = Dossier {
                    id: self.next_id,
                    code: code.clone(),
                    source_id: self.caller.system_id,
                    header: header.clone(),
                    standing: history::Standing::default(),
                    made_at: self.made_at,
                };
                self.next_id += 1;
                let (events, stood, withdrawn) = (BTreeMap::new(), None, None);
                let (is_changed, is_seen) = (true, false);
                let new = KnownDossier { dossier, events, stood, withdrawn, is_changed, is_seen };
                self.known.entry(code.as_str().to_owned()).or_insert(new)
            }
        };
        known.dossier.header = header;
        known.dossier.source_id = self.caller.system_id;
        known.events.extend(fresh);
        known.is_changed |= outcome == Outcome::Corrected;
        known.is_seen = true;
        Ok(ItemResult::new(outcome, 0))
    }

    fn event(&mut self, code: &Code, entry: &EventEntry) -> Result<ItemResult> {
        let not_found = || Error::not_found("dossier", code.as_str()).at("code");
        let known = self.known.get(code.as_str()).ok_or_else(not_found)?;
        if known.dossier.source_id != self.caller.system_id {
            if self.caller.knows_every_dossier() {
                return Err(self.not_authoritative(&known.dossier, "code"));
            }
            return Err(not_found());
        }
        self.must_cover(&known.dossier.header, known.dossier.standing.received_on, "code")?;
        let path = |_| "event".to_owned();
        let erased = known.dossier.header.erased;
        let fresh = self.fresh(code, erased, &known.events, std::slice::from_ref(entry), path)?;
        if fresh.is_empty() {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        let known = self.known.get_mut(code.as_str()).ok_or_else(not_found)?;
        known.events.extend(fresh);
        known.is_changed = true;
        Ok(ItemResult::new(Outcome::Created, 0))
    }

    /// The caller's own dossier that does not stand because it was withdrawn.
    pub(super) fn withdrawn_before(&self, code: &Code) -> Option<&Withdrawn> {
        self.withdrawn.get(code.as_str()).filter(|it| it.source_id == self.caller.system_id)
    }

    /// Refuses a code that is not the caller's to publish, in the same words whether or not there is such a dossier.
    /// Says whether the dossier goes over to it from another source.
    fn must_own(&self, code: &Code, known: Option<&Dossier>) -> Result<bool> {
        let right = self.caller.right(Kind::Dossiers, Operation::Publish)?;
        let is_others = known.is_some_and(|it| it.source_id != self.caller.system_id);
        if right.agreement.owns(code.as_str()) {
            return Ok(is_others);
        }
        let now = Timestamp::now();
        let is_named = || {
            let others = self.directory.agreements();
            let mut others = others.filter(|it| it.system_id != self.caller.system_id);
            others.any(|it| it.lives(now) && it.owns(code.as_str()))
        };
        if right.agreement.terms.dossier_codes.is_empty() && !is_others && !is_named() {
            return Ok(false);
        }
        let what = "the agreement that answers this call does not give its system such codes";
        let err = Error::new(Reason::NotAuthoritative, what).at("code");
        Err(err.with("agreement", right.agreement.code.as_str()))
    }

    /// Refuses what the agreement that answers the call does not cover.
    pub(super) fn must_cover(
        &self,
        header: &Header,
        received_on: Option<Day>,
        field: &str,
    ) -> Result<()> {
        let right = self.caller.right(Kind::Dossiers, Operation::Publish)?;
        if is_inside_whole(right, DossierSubject::of(header, received_on)) {
            return Ok(());
        }
        let unit = self.forest.name(header.receiving_unit_id).name;
        let procedure = self.catalogue.code_of(header.procedure_id);
        Err(outside(&right.agreement, &format!("{procedure} at {unit}")).at(field))
    }

    pub(super) fn not_authoritative(&self, dossier: &Dossier, field: &str) -> Error {
        let what = format!("another system is the source of `{}`", dossier.code.as_str());
        let err = Error::new(Reason::NotAuthoritative, what).at(field);
        if self.caller.knows_every_dossier() {
            return err.with("source", self.directory.code_of(dossier.source_id));
        }
        err
    }

    /// The events that are new, by identity; every bad one at once.
    fn fresh(
        &self,
        code: &Code,
        erased: bool,
        known: &BTreeMap<String, Event>,
        entries: &[EventEntry],
        path: impl Fn(usize) -> String,
    ) -> Result<BTreeMap<String, Event>> {
        let mut fresh: BTreeMap<String, Event> = BTreeMap::new();
        let mut bad = Vec::new();
        for (i, sent) in entries.iter().enumerate() {
            let identity = sent.identity();
            let kept = known.get(&identity);
            let note = match &sent.note {
                // Its remark was erased in the hub, but not at the source.
                _ if erased && kept.is_some() => Personal::default(),
                note if erased && !note.is_empty() => {
                    return Err(was_erased().at(format!("{}.note", path(i))));
                }
                note => note
                    .sealed(&self.vault, &note_of(code.as_str()))
                    .map_err(|err| err.at(format!("{}.note", path(i))))?,
            };
            let sent = &EventEntry { note, ..sent.clone() };
            match kept.or_else(|| fresh.get(&identity)) {
                // It is stored already; a later mapping of its code changes nothing.
                Some(same) if same.sent == *sent => continue,
                Some(_) => {
                    let rule = "not be that of an event that was sent with other content: an event is never \
                                changed; send it under another event_id";
                    bad.push(Violation::new(format!("{}.event_id", path(i)), rule));
                    continue;
                }
                None => {}
            }
            let Some(state) = self.state(&sent.source_status) else {
                let source = self.caller.system.code.as_str();
                let rule = format!("be a status code that is registered for `{source}`");
                bad.push(Violation::new(format!("{}.source_status", path(i)), rule));
                continue;
            };
            let is_early = sent.due_at.is_some_and(|it| it < sent.occurred_at);
            if state == State::Accepted && is_early {
                let rule = "not lie before the dossier was accepted, at `occurred_at`";
                bad.push(Violation::new(format!("{}.due_at", path(i)), rule));
                continue;
            }
            let (sent, made_at) = (sent.clone(), self.made_at);
            fresh.insert(identity.clone(), Event { identity, sent, state, made_at });
        }
        if bad.is_empty() { Ok(fresh) } else { Err(Error::fields(bad)) }
    }

    /// The national state of the caller's code.
    fn state(&self, status: &str) -> Option<State> {
        let statuses = &self.caller.system.statuses;
        if let Some(number) = statuses.get(status) {
            return State::of(*number);
        }
        // Without a mapping the codes are the national ones.
        let number = status.parse().ok().filter(|it: &i32| it.to_string() == status)?;
        statuses.is_empty().then(|| State::of(number)).flatten()
    }

    fn header(&self, entry: Entry, erased: bool, day: Day) -> Result<Header> {
        let Entry {
            code,
            procedure,
            procedure_case,
            receiving_unit,
            competent_unit,
            applicant_unit,
            channel,
            applicant_kind,
            applicant,
            fees,
            components,
            results,
            events: _,
        } = entry;
        let (mut sealed, mut digests) = (None, [None, None, None]);
        if let Some(it) = applicant {
            if erased {
                return Err(was_erased().at("applicant"));
            }
            let of = applicant_of(code.as_str());
            let seal = || it.to_personal()?.sealed(&self.vault, &of);
            sealed = Some(seal().map_err(|err| err.at("applicant"))?);
            digests = self.vault.digests(&it)?;
        }
        let source = self.caller.system.code.as_str();
        let known: &Procedure = self
            .catalogue
            .named(source, &procedure)
            .ok_or_else(|| Error::not_found("procedure", &procedure).at("procedure"))?;
        let is_case = known.cases.iter().any(|it| it.code == procedure_case);
        if !procedure_case.is_empty() && !is_case {
            let rule = format!("be the code of a case of `{}`, or empty", known.code.as_str());
            return Err(Error::field("procedure_case", rule));
        }
        let resolve = |unit: Option<unit::Ref>, field| {
            unit.map(|it| self.forest.resolve(&it, day, field).map(|it| it.id)).transpose()
        };
        let mut header = Header {
            procedure_id: known.id,
            source_procedure: procedure,
            procedure_case,
            receiving_unit_id: self.forest.resolve(&receiving_unit, day, "receiving_unit")?.id,
            competent_unit_id: resolve(competent_unit, "competent_unit")?,
            applicant_unit_id: resolve(applicant_unit, "applicant_unit")?,
            channel,
            applicant_kind,
            applicant: sealed,
            digests,
            erased,
            fees,
            components,
            results,
        };
        texts::seal(&mut header, &self.vault, code.as_str())?;
        Ok(header)
    }

    /// Supersedes the standing versions, and inserts the new ones with their new events.
    pub(super) async fn keep(self, write: &Write) -> Result<()> {
        let made_at = self.made_at;
        let mut changed: Vec<_> = self.known.into_values().filter(|it| it.is_changed).collect();
        changed.sort_unstable_by_key(|it| it.dossier.id);
        let stood = changed.iter().filter_map(|it| Some((it.dossier.id, it.stood?)));
        let stood = stood.map(|(id, stood)| vec![id.into(), stood.into(), made_at.into()]);
        bulk::end(&write.db, "dossier", &["id", "made_at"], stood.collect()).await?;
        let (mut rows, mut events) = (Vec::with_capacity(changed.len()), Vec::new());
        for it in changed {
            let KnownDossier {
                mut dossier,
                events: known,
                withdrawn,
                stood: _,
                is_changed: _,
                is_seen: _,
            } = it;
            dossier.standing = history::standing(&history::steps(known.values()));
            dossier.made_at = made_at;
            let fresh = known.into_values().filter(|it| it.made_at == made_at);
            for it in fresh {
                events.push(of_event(dossier.id, it)?);
            }
            rows.push(match withdrawn {
                Some(reason) => tombstone(dossier, &reason)?,
                None => of_dossier(dossier)?,
            });
        }
        bulk::add::<dossier::Entity>(&write.db, rows).await?;
        bulk::add::<event::Entity>(&write.db, events).await
    }
}

fn was_erased() -> Error {
    let what =
        "the personal data of this dossier was erased on lawful request; send it without any";
    Error::new(Reason::PersonalDataErased, what)
}
