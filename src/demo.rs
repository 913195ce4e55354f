//! The demo: a hub with the figures of five articles, and a synthetic dossier set that agrees with them.
mod articles;
mod dossiers;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    sync::Arc,
};

use crate::{
    access::{
        self, Access,
        queries::{Grant, Issue, PutAgreement, Register, RevokeKey},
    },
    caller::{
        Caller, Grants, Pattern, SystemCode,
        agreement::{Dataset, Operation, SignedDocument, Terms},
        credential::Credential,
        directory::Directory,
    },
    error::{Error, Result},
    hub::{BatchOptions, Hub},
    outcome::Outcome,
    personal::Tier,
    revision::{ReferenceData, expected::Expected, receipt::Receipt},
    rule::Rule,
    slug::Slug,
    time::Timestamp,
};

/// The sample legal basis: the decree on mandatory connection and sharing of data, whose articles 7 and 8 say how
/// systems connect and which databases are shared.
const LEGAL_BASIS: &str = "Nghị định 278/2025/NĐ-CP, Điều 7 và Điều 8";

/// A role of the demo, and the key of the system that plays it.
#[derive(Debug)]
pub struct Role {
    /// The role, as the printed variable names it.
    pub name: &'static str,
    /// The code of the system.
    pub system: &'static str,
    /// What the system may do, in words.
    pub may: &'static str,
    /// Its key.
    pub key: String,
}

/// What a board writes of a system of the demo as the source of its figures; no figures are published by the others.
fn described(system: &str) -> (String, String) {
    if system == articles::SOURCE {
        return (articles::NAME.to_owned(), articles::CONTACT.to_owned());
    }
    (format!("Demo: {system}"), String::new())
}

/// A system of the demo: its grants, and the agreements by which it shares and is shared with.
struct Cast {
    name: &'static str,
    system: &'static str,
    may: &'static str,
    grants: Grants,
    purpose: &'static str,
    agreements: Vec<Terms>,
}

fn cast() -> Result<Vec<Cast>> {
    use Operation::{Publish, Read, Watch};
    let all = || Pattern::parse("*").map(|it| vec![it]).map_err(broken);
    let terms = |operations: &[Operation], dataset| Terms {
        operations: operations.iter().copied().collect(),
        units: BTreeSet::new(),
        tree: None,
        dossier_codes: match &dataset {
            Dataset::Dossiers { .. } if operations.contains(&Publish) => vec!["*".to_owned()],
            Dataset::Dossiers { .. } | Dataset::Indicators(_) => Vec::new(),
        },
        dataset,
        personal_data: Tier::None,
        limits: Vec::new(),
        contributes: false,
        min_cell: None,
    };
    let indicators = || all().map(Dataset::Indicators);
    let (fields, procedures) = (BTreeSet::new(), BTreeSet::new());
    let dossiers = || Dataset::Dossiers { fields: fields.clone(), procedures: procedures.clone() };
    Ok(vec![
        Cast {
            name: "ADMIN",
            system: "admin",
            may: "registers systems, issues keys, makes agreements",
            grants: Grants { administrator: true, ..Grants::default() },
            purpose: "administration",
            agreements: Vec::new(),
        },
        Cast {
            name: "ARTICLES",
            system: articles::SOURCE,
            may: "publishes the articles' figures",
            grants: Grants { define_indicators: all()?, ..Grants::default() },
            purpose: "reporting",
            agreements: vec![terms(&[Publish, Read, Watch], indicators()?)],
        },
        Cast {
            name: "ONE_STOP",
            system: dossiers::SOURCE,
            may: "publishes dossiers",
            grants: Grants { define_procedures: true, ..Grants::default() },
            purpose: "reporting",
            agreements: vec![terms(&[Publish], dossiers())],
        },
        Cast {
            name: "IOC",
            system: "ioc",
            may: "reads indicators and dossiers, no personal data",
            grants: Grants::default(),
            purpose: "dashboards",
            agreements: vec![
                terms(&[Read, Watch], indicators()?),
                terms(&[Read, Watch], dossiers()),
            ],
        },
    ])
}

/// The systems that play the roles.
pub fn systems() -> Result<Vec<SystemCode>> {
    cast()?.iter().map(|it| SystemCode::parse(it.system).map_err(broken)).collect()
}

/// Loads the demo's data, if it is not there yet, and issues a key for each role.
pub async fn load(hub: &Arc<Hub>, access: &Access) -> Result<Vec<Role>> {
    let mut roles = Vec::new();
    let mut keys = BTreeMap::new();
    for Cast { name, system, may, grants, purpose, agreements } in cast()? {
        let code = SystemCode::parse(system).map_err(broken)?;
        register(hub, &code, grants).await?;
        for terms in agreements {
            agree(hub, &code, purpose, terms).await?;
        }
        retire_keys(hub, &code).await?;
        let (key, kept, _) =
            access::store::issue_key(hub, Issue { system: code, expires_at: None }).await?;
        keys.insert(system, kept.id);
        roles.push(Role { name, system, may, key });
    }
    articles::load(hub, access, &caller(hub, articles::SOURCE, &keys).await?).await?;
    dossiers::load(hub, access, &caller(hub, dossiers::SOURCE, &keys).await?).await?;
    Ok(roles)
}

/// Registers a system, unless it is registered: a demo that is started again keeps what was changed in it.
async fn register(hub: &Arc<Hub>, code: &SystemCode, grants: Grants) -> Result<()> {
    let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
    if directory.by_code(code.as_str()).is_some() {
        return Ok(());
    }
    let (name, contact) = described(code.as_str());
    let registration = Register { contact, ..Register::plain(code.clone(), name, grants) };
    let own = Caller::hub("hub/Demo", hub.limits.longest);
    let ask = BatchOptions::internal("RegisterSystem");
    hub.write_one(&own, ask, ReferenceData::Access, registration).await?;
    Ok(())
}

/// Makes an agreement with a system, for five years.
async fn agree(hub: &Arc<Hub>, system: &SystemCode, purpose: &str, terms: Terms) -> Result<()> {
    const FIVE_YEARS: i64 = 5 * 365 * 86_400_000_000;
    let word = |it: &str| Slug::parse(it).map_err(broken);
    let code = word(&format!("{}.{}", system.as_str(), terms.dataset.kind().name()))?;
    let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
    let known = directory.agreement(code.as_str());
    if known.is_some_and(|it| it.lives(hub.db.clock())) {
        return Ok(());
    }
    let expected = Expected(known.map(|it| it.made_at));
    let until = hub.db.clock().micros() + FIVE_YEARS;
    let grant = Grant {
        title: format!("Demo: {} of {}", terms.dataset.kind().name(), system.as_str()),
        code,
        system: system.clone(),
        purpose: word(purpose)?,
        legal_basis: LEGAL_BASIS.to_owned(),
        document: SignedDocument::default(),
        terms,
        units: Vec::new(),
        valid_from: None,
        valid_before: Timestamp::from_micros(until),
    };
    let own = Caller::hub("hub/Demo", hub.limits.longest);
    let put = PutAgreement { grant, expected };
    access::store::agreements::grant(hub, &own, BatchOptions::internal("GrantAgreement"), put)
        .await?;
    Ok(())
}

/// A demo that is started again on the same store would run into the limit of two keys.
async fn retire_keys(hub: &Arc<Hub>, code: &SystemCode) -> Result<()> {
    let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
    let Some((id, _)) = directory.by_code(code.as_str()) else { return Ok(()) };
    for key in directory.keys_of(id) {
        let own = Caller::hub("hub/Demo", hub.limits.longest);
        let ask = BatchOptions::internal("RevokeKey");
        hub.write_one(&own, ask, ReferenceData::Access, RevokeKey(key.id)).await?;
    }
    Ok(())
}

/// A registered system as a caller that publishes.
async fn caller(hub: &Hub, code: &str, keys: &BTreeMap<&str, String>) -> Result<Caller> {
    let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
    let known = directory.by_code(code).ok_or_else(|| Error::not_found("system", code))?;
    let (system_id, system) = (known.0, Arc::clone(known.1));
    Ok(Caller {
        system_id,
        system,
        credential: Credential::Key(keys.get(code).map_or("", String::as_str).into()),
        agreements: directory.agreements_of(system_id),
        ..Caller::hub("hub/Demo", hub.limits.longest)
    })
}

/// The demo's data are ours: a refused item is a fault of ours.
fn must_be_kept(receipt: &Receipt, what: &str) -> Result<()> {
    match receipt.results.iter().find(|it| it.outcome == Outcome::Rejected) {
        None => Ok(()),
        Some(it) => {
            let why = format!("demo: {what}: {} {:?}", it.message, it.violations);
            Err(Error::internal(why))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`")]
fn broken(rule: Rule) -> Error {
    Error::internal(format!("demo data: a field must {rule}"))
}

/// Where the demo serves.
#[derive(Debug)]
pub struct Place<'a> {
    /// Its address.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The folder with the certificates that it made for itself and its systems; none when it was given others.
    pub certificates: Option<&'a Path>,
    /// The program itself.
    pub program: &'a Path,
}

impl Place<'_> {
    /// The URL by which it is called: by the name that its certificate is made for, where it serves this machine only.
    fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match self.address {
            it if it.ip().is_loopback() => format!("{scheme}://localhost:{}", it.port()),
            it => format!("{scheme}://{it}"),
        }
    }

    fn file(&self, name: &str) -> Option<String> {
        self.certificates.map(|it| it.join(name).display().to_string())
    }
}

/// What the demo prints: its address, a key for each role, and calls that work as they are pasted.
pub fn welcome(place: &Place<'_>, roles: &[Role]) -> String {
    let url = place.url();
    let mut lines = vec![String::new(), format!("sharehub demo serves at {url} (Ctrl-C stops it)")];
    lines.push(String::new());
    for Role { name, system, may, key: _ } in roles {
        lines.push(format!("  {name:<9} {system:<14} {may}"));
    }
    lines.extend(["", "Paste this into a second terminal:", ""].map(str::to_owned));
    lines.push(format!("export SHAREHUB_TARGET={url}"));
    lines.extend(place.file("ca.pem").map(|it| format!("export SHAREHUB_CA={it}")));
    for Role { name, system: _, may: _, key } in roles {
        lines.push(format!("export SHAREHUB_KEY_{name}={key}"));
    }
    lines.extend(["", "Then try these calls, as the IOC:"].map(str::to_owned));
    let call = format!("{} call", place.program.display());
    for (what, method, request) in CALLS {
        lines.push(format!("\n# {what}\n{call} --key \"$SHAREHUB_KEY_IOC\" {method} '{request}'"));
    }
    let ioc = roles.iter().find(|it| it.name == "IOC").map_or("", |it| it.system);
    let pair = place.file(&format!("{ioc}.pem")).zip(place.file(&format!("{ioc}-key.pem")));
    if let Some((cert, key)) = pair {
        let by = format!("--cert {cert} --cert-key {key}");
        lines.push(format!("\n# By certificate, without a key\n{call} {by} AccessService/WhoAmI"));
    }
    let mark = dossiers::MARK;
    lines.push(format!("\nThe dossiers are synthetic: their codes begin with `{mark}`.\n"));
    lines.join("\n")
}

const CALLS: [(&str, &str, &str); 3] = [
    (
        "On-time dossiers of Tan Tru in nine months of 2024, with source and quote",
        "IndicatorService/GetSnapshot",
        concat!(
            r#"{"units":[{"code":{"code":"805"}}],"indicators":["dossier.on-time-rate"],"#,
            r#""period":"2024-YTD-09","date":"2024-10-01"}"#
        ),
    ),
    (
        "What became of the district Mo Cay Bac on 2025-07-01",
        "UnitService/TraceUnit",
        r#"{"unit":{"code":{"code":"838","date":"2025-06-30"}}}"#,
    ),
    (
        "The same dossiers counted from their events, by month, under the national rule",
        "DossierService/SummarizeDossiers",
        r#"{"period":"2024-YTD-09","receiving_unit":{"code":{"code":"805"}},"by":["SUMMARY_DIMENSION_MONTH"]}"#,
    ),
];
