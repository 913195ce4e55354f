//! `sharehub export`: everything that a question has for an answer, at one revision, as a table that can be imported
//! again.
mod rows;
mod sink;

pub(super) use self::rows::{breakdown, local};
use self::sink::{Datum, Sink};
use super::{
    CliResult,
    client::{HubClient, again, explain},
    filter::{self, Units},
    progress::{ProgressLine, note},
};
use crate::{
    config::{Export, Exported},
    pb,
};

pub(super) async fn export(asked: Export) -> CliResult {
    let Export { what, filter, out, numbers, by } = asked;
    let caller = HubClient::connect(&by).await?;
    let progress = ProgressLine::start("exporting", None);
    let mut titles: Vec<&str> = match what {
        Exported::Observations => rows::OBSERVATIONS.to_vec(),
        Exported::Targets => rows::TARGETS.to_vec(),
        Exported::Dossiers => rows::DOSSIERS.to_vec(),
    };
    // A table without it is what an import takes: of one source in each cell.
    if filter.all_sources {
        titles.push(rows::CONTRIBUTED);
    }
    let sink = Sink::create(&out, &titles, numbers)?;
    let mut writing = Writing {
        caller: &caller,
        units: Units::of(&caller),
        sink,
        progress,
        rows: 0,
        revision: 0,
    };
    match what {
        Exported::Observations => writing.observations(filter::observations(&filter)?).await?,
        Exported::Targets => writing.targets(filter::targets(&filter)?).await?,
        Exported::Dossiers => writing.dossiers(filter::dossiers(&filter)?).await?,
    }
    let Writing { caller: _, units: _, sink, progress, rows, revision } = writing;
    drop(progress);
    sink.done()?;
    note(&format!("exported {rows} rows at revision {revision}"));
    Ok(())
}

/// An export under way.
struct Writing<'a> {
    caller: &'a HubClient,
    units: Units<'a>,
    sink: Sink,
    progress: ProgressLine,
    rows: usize,
    revision: i64,
}

impl Writing<'_> {
    fn row(&mut self, row: &[Datum]) -> CliResult {
        self.sink.row(row)?;
        self.rows += 1;
        self.progress.advance(1);
        Ok(())
    }

    fn read_at(&mut self, revision: Option<pb::Revision>) {
        self.revision = revision.map_or(self.revision, |it| it.number);
    }

    async fn observations(&mut self, request: pb::ExportObservationsRequest) -> CliResult {
        let all_sources = request.all_sources;
        let mut client = self.caller.indicator_streams();
        let answers = client.export_observations(request).await.map_err(|it| explain(&it))?;
        let mut answers = answers.into_inner();
        while let Some(part) = answers.message().await.map_err(|it| explain(&it))? {
            let pb::ExportObservationsResponse { read_at, observations } = part;
            self.read_at(read_at);
            for it in observations {
                let contributed = it.contributed;
                let mut row = rows::observation(it, &mut self.units).await?;
                row.extend(all_sources.then(|| rows::contributed(contributed)));
                self.row(&row)?;
            }
        }
        Ok(())
    }

    async fn targets(&mut self, mut request: pb::QueryTargetsRequest) -> CliResult {
        let mut client = self.caller.indicators();
        loop {
            let sent = request.clone();
            let page = again(async || client.query_targets(sent.clone()).await).await?;
            let pb::QueryTargetsResponse { read_at, targets, next_page_token } = page;
            self.read_at(read_at);
            for it in targets {
                let row = rows::target(it, &mut self.units).await?;
                self.row(&row)?;
            }
            if next_page_token.is_empty() {
                return Ok(());
            }
            request.page = Some(pb::PageRequest { size: 1_000, token: next_page_token });
        }
    }

    async fn dossiers(&mut self, request: pb::ExportDossiersRequest) -> CliResult {
        let mut client = self.caller.dossier_streams();
        let answers = client.export_dossiers(request).await.map_err(|it| explain(&it))?;
        let mut answers = answers.into_inner();
        while let Some(part) = answers.message().await.map_err(|it| explain(&it))? {
            let pb::ExportDossiersResponse { read_at, dossiers } = part;
            self.read_at(read_at);
            for it in dossiers {
                self.row(&rows::dossier(it))?;
            }
        }
        Ok(())
    }
}
