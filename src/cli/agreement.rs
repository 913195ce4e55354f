//! `sharehub agreement`: the agreements of a hub, as a file that people read and sign.
mod file;
mod render;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, IsTerminal},
};

use self::render::Lines;
use super::{
    CliResult, clean,
    client::{HubClient, again, explain},
    filter, say,
};
use crate::{
    config::{AgreementCommand, Apply, ExplainArgs, ListAgreementsArgs},
    pb,
};

pub(super) async fn agreement(command: AgreementCommand) -> CliResult {
    match command {
        AgreementCommand::Apply(asked) => apply(asked).await,
        AgreementCommand::List(asked) => list(asked).await,
        AgreementCommand::Explain(asked) => told(asked).await,
    }
}

/// What a file would do to one agreement, at the revision that made the version that stands (0: there is none): an
/// agreement that somebody changes after the plan is not replaced by it.
enum PlanStep {
    Create(pb::Agreement, i64, Lines),
    Change(pb::Agreement, i64, Lines, Lines),
    Revoke(String, i64),
}

async fn apply(asked: Apply) -> CliResult {
    let Apply { file, yes, plan, prune, by } = asked;
    let wanted = file::read(&file)?;
    let caller = HubClient::connect(&by).await?;
    let (steps, unchanged) = plan_of(&caller, wanted, prune).await?;
    for step in &steps {
        show(step)?;
    }
    let count = |is: fn(&PlanStep) -> bool| steps.iter().filter(|it| is(it)).count();
    let (created, changed, revoked) = (
        count(|it| matches!(it, PlanStep::Create(..))),
        count(|it| matches!(it, PlanStep::Change(..))),
        count(|it| matches!(it, PlanStep::Revoke(..))),
    );
    say(&format!(
        "plan: {created} to create, {changed} to change, {revoked} to revoke, {unchanged} unchanged"
    ))?;
    if plan || steps.is_empty() {
        return Ok(());
    }
    if !yes && !agreed()? {
        return Err("nothing was applied".into());
    }
    let mut access = caller.access();
    // What is taken away goes first: what is given may stand in its place.
    let (first, then): (Vec<_>, Vec<_>) =
        steps.into_iter().partition(|it| matches!(it, PlanStep::Revoke(..)));
    for step in first.into_iter().chain(then) {
        match step {
            PlanStep::Revoke(code, standing) => {
                let request = pb::RevokeAgreementRequest {
                    code,
                    expected_revision: Some(standing),
                    ..Default::default()
                };
                access.revoke_agreement(request).await.map_err(|it| explain(&it))?;
            }
            PlanStep::Create(agreement, standing, _)
            | PlanStep::Change(agreement, standing, ..) => {
                let request = pb::GrantAgreementRequest {
                    agreement: Some(agreement),
                    expected_revision: Some(standing),
                    ..Default::default()
                };
                access.grant_agreement(request).await.map_err(|it| explain(&it))?;
            }
        }
    }
    say(&format!("applied: {created} created, {changed} changed, {revoked} revoked"))
}

/// What is to be done, and how many agreements stand already as the file says. Every one is checked before any is
/// applied.
async fn plan_of(
    caller: &HubClient,
    wanted: Vec<pb::Agreement>,
    prune: bool,
) -> CliResult<(Vec<PlanStep>, usize)> {
    let named: BTreeSet<_> = wanted.iter().map(|it| it.code.clone()).collect();
    let systems: BTreeSet<_> = wanted.iter().map(|it| it.system.clone()).collect();
    let known: BTreeMap<_, _> = all(caller, String::new(), true)
        .await?
        .into_iter()
        .map(|it| (it.code.clone(), it.revision))
        .collect();
    let mut steps = Vec::new();
    if prune {
        for system in systems {
            let standing = all(caller, system, false).await?;
            let gone = standing.into_iter().filter(|it| !named.contains(&it.code));
            steps.extend(gone.map(|it| PlanStep::Revoke(it.code, it.revision)));
        }
    }
    let (mut unchanged, mut wrong) = (0, Vec::new());
    for agreement in wanted {
        let code = agreement.code.clone();
        let standing = known.get(&code).copied().unwrap_or(0);
        let request = pb::GrantAgreementRequest {
            agreement: Some(agreement.clone()),
            validate_only: true,
            expected_revision: Some(standing),
            ..Default::default()
        };
        match caller.access().grant_agreement(request).await {
            Err(status) => wrong.push(format!("{code}: {}", explain(&status))),
            Ok(answer) => {
                let pb::GrantAgreementResponse { receipt: _, before, after } = answer.into_inner();
                let after = render::of(&after.unwrap_or_default());
                let stood = before.filter(|it| it.revoked_at.is_none());
                match stood.map(|it| render::of(&it)) {
                    None => steps.push(PlanStep::Create(agreement, standing, after)),
                    Some(before) if before == after => unchanged += 1,
                    Some(before) => {
                        steps.push(PlanStep::Change(agreement, standing, before, after));
                    }
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok((steps, unchanged));
    }
    Err(format!("nothing was applied:\n{}", wrong.join("\n")).into())
}

fn show(step: &PlanStep) -> CliResult {
    match step {
        PlanStep::Create(it, _, lines) => {
            say(&format!("+ {} (for {})", clean(&it.code), clean(&it.system)))?;
            lines.iter().try_for_each(|(name, it)| say(&format!("    {name}: {}", clean(it))))
        }
        PlanStep::Change(it, _, before, after) => {
            say(&format!("~ {} (for {})", clean(&it.code), clean(&it.system)))?;
            let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
            for name in names {
                let none = String::new();
                let (was, is) = (before.get(name), after.get(name));
                let (was, is) = (was.unwrap_or(&none), is.unwrap_or(&none));
                if was != is {
                    say(&format!("    {name}: {} -> {}", clean(was), clean(is)))?;
                }
            }
            Ok(())
        }
        PlanStep::Revoke(code, _) => say(&format!("- {}", clean(code))),
    }
}

/// Asks on the terminal; without one, it is a no.
fn agreed() -> CliResult<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err("nothing was applied: give `--yes`, or run it on a terminal".into());
    }
    say("apply? [y/N]")?;
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

async fn all(
    caller: &HubClient,
    system: String,
    with_ended: bool,
) -> CliResult<Vec<pb::Agreement>> {
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let request = pb::ListAgreementsRequest {
            system: system.clone(),
            with_ended,
            page: Some(pb::PageRequest { size: 1_000, token }),
            consistency: None,
        };
        let page = again(async || caller.access().list_agreements(request.clone()).await).await?;
        found.extend(page.agreements);
        token = page.next_page_token;
        if token.is_empty() {
            return Ok(found);
        }
    }
}

async fn list(asked: ListAgreementsArgs) -> CliResult {
    let ListAgreementsArgs { system, ended, by } = asked;
    let caller = HubClient::connect(&by).await?;
    for it in all(&caller, system.unwrap_or_default(), ended).await? {
        let mut lines = render::of(&it);
        if it.revoked_at.is_some() {
            lines.insert("revoked_at", render::instant(it.revoked_at));
        }
        say(&clean(&it.code))?;
        for (name, it) in lines {
            say(&format!("    {name}: {}", clean(&it)))?;
        }
    }
    Ok(())
}

async fn told(asked: ExplainArgs) -> CliResult {
    let ExplainArgs { method, system, named, indicator, unit, procedure, draft, by } = asked;
    let draft = match draft {
        None => None,
        Some(path) => match file::read(&path)?.as_slice() {
            [one] => Some(one.clone()),
            all => {
                let count = all.len();
                return Err(format!("{}: holds {count} agreements, not one", path.display()).into());
            }
        },
    };
    // A draft is asked about as its own system.
    let system = system.or_else(|| draft.as_ref().map(|it| it.system.clone()));
    let request = pb::ExplainAccessRequest {
        system: system.unwrap_or_default(),
        method,
        purpose: named.unwrap_or_default(),
        indicators: indicator,
        units: filter::units(&unit)?,
        procedures: procedure,
        draft,
    };
    let caller = HubClient::connect(&by).await?;
    let told = again(async || caller.access().explain_access(request.clone()).await).await?;
    let pb::ExplainAccessResponse { read_at: _, is_allowed, refusal, answered_by } = told;
    match refusal {
        Some(it) => {
            let reason = it.reason().as_str_name();
            let pb::AccessRefusal { reason: _, message, metadata } = it;
            say(&format!("refused: {}", clean(&message)))?;
            say(&format!("    reason: {reason}"))?;
            let metadata: BTreeMap<_, _> = metadata.into_iter().collect();
            for (key, value) in metadata {
                say(&format!("    {key}: {}", clean(&value)))?;
            }
        }
        None if is_allowed && answered_by.is_empty() => say("allowed, by no agreement")?,
        None => say("allowed")?,
    }
    for it in answered_by {
        let code = it.agreement.as_ref().map_or("", |it| it.code.as_str());
        say(&format!("agreement {}", clean(code)))?;
        for (name, it) in render::answering(&it) {
            say(&format!("    {name}: {}", clean(&it)))?;
        }
    }
    Ok(())
}
