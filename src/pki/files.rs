//! A development authority in a folder: what `sharehub pki dev` and the demo write.
use std::{
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use x509_parser::{parse_x509_crl, pem::parse_x509_pem};

use super::{Authority, Pair};
use crate::{
    caller::SystemCode,
    error::{Error, Result},
    server::tls,
};

/// Names by which a hub on this machine is reached.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A folder with an authority in it: `ca.pem`, `ca-key.pem`, `crl.pem`, `server.pem`, `server-key.pem`, and
/// `CODE.pem` and `CODE-key.pem` for each system. Private keys can be read by their owner only.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    authority: Authority,
    /// What making the authority wrote.
    made: Vec<PathBuf>,
}

impl Folder {
    /// The authority that is in the folder, or a new one.
    pub fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir).map_err(Error::internal)?;
        let dir = dir.to_owned();
        if let Ok(key) = fs::read_to_string(dir.join("ca-key.pem")) {
            return Ok(Self { dir, authority: Authority::from_key(&key)?, made: Vec::new() });
        }
        let authority = Authority::new()?;
        let mut folder = Self { dir, authority, made: Vec::new() };
        let own = folder.authority.own.clone();
        folder.made = folder.keep("ca", &own)?;
        folder.made.push(folder.write("crl.pem", &folder.authority.revoke(&[])?, 0o644)?);
        Ok(folder)
    }

    /// A new certificate for the hub, which is also reached by these names, and one for each of these systems.
    pub fn issue(&self, names: &[String], systems: &[SystemCode]) -> Result<Vec<PathBuf>> {
        let local = LOCAL.iter().map(|it| (*it).to_owned());
        let names: Vec<_> = local.chain(names.iter().cloned()).collect();
        let mut written = self.made.clone();
        written.extend(self.keep("server", &self.authority.server(&names)?)?);
        for system in systems {
            written.extend(self.keep(system.as_str(), &self.authority.client(system)?)?);
        }
        Ok(written)
    }

    /// Revokes the certificates of these systems that are in the folder, besides those that were revoked before.
    pub fn revoke(&self, systems: &[SystemCode]) -> Result<Vec<PathBuf>> {
        if systems.is_empty() {
            return Ok(Vec::new());
        }
        let mut serials = revoked(&self.read("crl.pem")?)?;
        for system in systems {
            serials.push(serial(&self.read(&format!("{}.pem", system.as_str()))?)?);
        }
        Ok(vec![self.write("crl.pem", &self.authority.revoke(&serials)?, 0o644)?])
    }

    /// The settings of a hub that uses what is in the folder.
    pub fn files(&self) -> tls::Files {
        let path = |name| self.dir.join(name);
        tls::Files {
            cert: path("server.pem"),
            key: path("server-key.pem"),
            client_ca: Some(path("ca.pem")),
            client_crl: Some(path("crl.pem")),
        }
    }

    fn keep(&self, name: &str, pair: &Pair) -> Result<Vec<PathBuf>> {
        let key = self.write(&format!("{name}-key.pem"), &pair.key, 0o600)?;
        Ok(vec![self.write(&format!("{name}.pem"), &pair.cert, 0o644)?, key])
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.dir.join(name);
        fs::read(&path).map_err(|err| Error::internal(format!("{}: {err}", path.display())))
    }

    /// Writes a file atomically: beside its target, then renamed over it.
    fn write(&self, name: &str, text: &str, mode: u32) -> Result<PathBuf> {
        let path = self.dir.join(name);
        let beside = self.dir.join(format!(".{name}.new"));
        let write = || {
            let mut options = fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(mode).open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(|err| Error::internal(format!("{}: {err}", path.display())))?;
        Ok(path)
    }
}

/// The serial number of a certificate.
fn serial(pem: &[u8]) -> Result<Vec<u8>> {
    let (_, pem) = parse_x509_pem(pem).map_err(Error::internal)?;
    let cert = pem.parse_x509().map_err(Error::internal)?;
    Ok(cert.raw_serial().to_vec())
}

/// The serial numbers in a revocation list.
fn revoked(pem: &[u8]) -> Result<Vec<Vec<u8>>> {
    let (_, pem) = parse_x509_pem(pem).map_err(Error::internal)?;
    let (_, list) = parse_x509_crl(&pem.contents).map_err(Error::internal)?;
    Ok(list.iter_revoked_certificates().map(|it| it.raw_serial().to_vec()).collect())
}
