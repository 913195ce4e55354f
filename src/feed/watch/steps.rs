//! How a watch moves: through the state at its beginning, then from revision to revision, large ones in pieces.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Piece, Watching};
use crate::{
    error::Result,
    feed::{Change, Happened, Stage, position::Position, store, tail::Entry},
    indicator::definitions::Definitions,
    revision::{Consistency, Revision, Stretch},
    time::Timestamp,
};

/// Most changes in one message, and its approximate size in bytes.
const MOST: usize = 1_000;
const WEIGHT: usize = 1_500_000;
/// Revisions scanned at a time.
const REVISIONS: usize = 500;

impl Watching {
    // === the state ===

    pub(super) async fn state(&mut self, revision: i64, stage: Stage, after: &str) -> Result<()> {
        let caller = self.caller.now(self.hub.limits.longest);
        let view = self.hub.revisions.view(&caller, Consistency::Exactly(revision)).await?;
        let definitions = self.hub.reference::<Definitions>(&view).await?;
        let definitions: Vec<_> = definitions
            .shared_with(&self.caller)
            .filter(|it| self.matcher.names(it))
            .map(Arc::clone)
            .collect();
        let asked = store::State {
            caller: &self.caller,
            definitions: &definitions,
            units: self.matcher.units(),
            view: &view,
            after,
        };
        let mut found = Vec::new();
        let is_asked = self.matcher.follows(stage);
        if is_asked {
            found = store::state(&self.hub, stage, &asked).await?;
        }
        let is_whole = found.len() < usize::try_from(store::PIECE).unwrap_or(usize::MAX);
        let mut changes = Vec::new();
        let mut made = HashSet::new();
        let mut weight = 0;
        let mut last = None;
        for (key, thing) in found {
            if self.matcher.is_match(&self.caller, &thing) {
                weight += thing.weight();
                made.insert(thing.revision());
                changes.push(Change::Thing(Happened::State, thing));
            }
            last = Some(key);
            if weight > WEIGHT {
                break;
            }
        }
        let is_done = is_whole && weight <= WEIGHT;
        self.position = match (is_done, stage.next(), last) {
            (true, Some(stage), _) => Position::State { revision, stage, after: String::new() },
            (true, None, _) => Position::Through(revision),
            (false, _, last) => {
                Position::State { revision, stage, after: last.unwrap_or_default() }
            }
        };
        if !changes.is_empty() {
            let times = crate::revision::store::times(self.hub.db.read(), made).await?;
            let token = self.token(&self.position);
            self.push(changes, times, None, token).await?;
        }
        if matches!(self.position, Position::Through(_)) {
            // The state is complete: a bookmark says so at once.
            let bookmark = self.bookmark(revision).await?;
            self.ready.push_back(bookmark);
        }
        Ok(())
    }

    // === what changes ===

    pub(super) async fn follow(&mut self, through: i64, newest: i64) -> Result<()> {
        if self.piece.is_some() {
            return self.piece().await;
        }
        let entries = match self.tail.since(through, REVISIONS) {
            Some(entries) => entries,
            None => store::entries(self.hub.db.read(), through, newest).await?,
        };
        let mut batch = Batch::default();
        for entry in entries.into_iter().filter(|it| it.line.revision.number <= newest) {
            let Entry { line, things } = entry.as_ref();
            let Some(things) = things else {
                // A large revision: the changes before it go first.
                if batch.through.is_none() {
                    let (revision, touched) = (line.revision, line.touched);
                    let (stage, key, has_sent) = (Stage::Units, None, false);
                    self.piece = Some(Piece { revision, touched, stage, key, has_sent });
                }
                break;
            };
            batch.times.insert(line.revision.number, line.revision.at);
            for thing in things {
                let Some(happened) = self.matcher.happened(&self.caller, thing) else { continue };
                if batch.weight > WEIGHT || batch.changes.len() >= MOST {
                    // A revision is complete only in its last message, so no token stands before.
                    let changes = std::mem::take(&mut batch.changes);
                    batch.weight = 0;
                    self.push(changes, batch.times.clone(), None, String::new()).await?;
                }
                batch.weight += thing.weight();
                batch.changes.push(Change::Thing(happened, thing.clone()));
            }
            batch.through = Some(line.revision);
            if batch.weight > WEIGHT / 2 || batch.changes.len() >= MOST {
                break;
            }
        }
        let Batch { changes, times, through, weight: _ } = batch;
        let Some(revision) = through else { return Ok(()) };
        self.position = Position::Through(revision.number);
        if !changes.is_empty() {
            let token = self.token(&self.position);
            self.push(changes, times, through, token).await?;
        }
        Ok(())
    }

    /// The next piece of a large revision.
    async fn piece(&mut self) -> Result<()> {
        let Some(Piece { revision, touched, stage, key, has_sent }) = self.piece.take() else {
            return Ok(());
        };
        let mut found = Vec::new();
        if touched.meets(stage.touched()) && self.matcher.follows(stage) {
            let (after, through) = (revision.number - 1, revision.number);
            let stretch = Stretch { after, through, key, limit: store::PIECE };
            found = store::things(self.hub.db.read(), stage, &stretch).await?;
        }
        let is_whole = found.len() < usize::try_from(store::PIECE).unwrap_or(usize::MAX);
        let mut weight = 0;
        let mut last = None;
        let mut changes = Vec::new();
        for thing in found {
            last = Some(store::key(&thing));
            if let Some(happened) = self.matcher.happened(&self.caller, &thing) {
                weight += thing.weight();
                changes.push(Change::Thing(happened, thing));
            }
            if weight > WEIGHT {
                break;
            }
        }
        let is_done = is_whole && weight <= WEIGHT;
        let has_sent = has_sent || !changes.is_empty();
        let next = if is_done { stage.next().map(|it| (it, None)) } else { Some((stage, last)) };
        let times = HashMap::from([(revision.number, revision.at)]);
        match next {
            Some((stage, key)) => {
                self.piece = Some(Piece { revision, touched, stage, key, has_sent });
                if !changes.is_empty() {
                    self.push(changes, times, None, String::new()).await?;
                }
            }
            None => {
                self.position = Position::Through(revision.number);
                if has_sent {
                    let token = self.token(&self.position);
                    self.push(changes, times, Some(revision), token).await?;
                }
            }
        }
        Ok(())
    }
}

/// The changes collected for a message.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    times: HashMap<i64, Timestamp>,
    through: Option<Revision>,
    weight: usize,
}
