//! The program over TLS: what `pki dev` writes is served, shown and revoked, and what cannot be used is named at the
//! start.
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use tokio::time::{self, Instant};

use crate::support::program::{Program, admin_key, sharehub};

/// The flags of a hub that uses what is in a folder.
fn flags(pki: &Path) -> [String; 4] {
    let flag = |name: &str, file: &str| format!("--{name}={}", pki.join(file).display());
    [
        flag("tls-cert", "server.pem"),
        flag("tls-key", "server-key.pem"),
        flag("tls-client-ca", "ca.pem"),
        flag("tls-client-crl", "crl.pem"),
    ]
}

#[tokio::test]
async fn a_certificate_of_the_development_authority_calls_the_hub_until_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let ran = sharehub(dir.path(), &["pki", "dev", "pki", "--system", "admin"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let pki = dir.path().join("pki");
    for (name, mode) in [("admin.pem", 0o644), ("admin-key.pem", 0o600), ("ca-key.pem", 0o600)] {
        assert!(ran.out.contains(name), "{}", ran.out);
        let found = fs::metadata(pki.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found & !mode, 0, "{name}: {found:o}");
    }
    let flags = flags(&pki);
    let program = Program::serve(dir.path(), &flags.each_ref().map(String::as_str)).await;
    let target = format!("https://{}", program.address);
    let to = ["--target", &target, "--ca", "pki/ca.pem"];
    let ran = sharehub(dir.path(), &[&["health"], to.as_slice()].concat()).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), "SERVING\n"), "{ran:?}");
    let who = async |shown: &[&str]| {
        let call = [&["call"], to.as_slice(), shown, &["AccessService/WhoAmI"]].concat();
        sharehub(dir.path(), &call).await
    };
    let shown = ["--cert", "pki/admin.pem", "--cert-key", "pki/admin-key.pem"];
    let ran = who(&shown).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let answer: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(answer["system"]["code"], "admin");
    assert_eq!(answer["credential"]["kind"], "CREDENTIAL_KIND_CERTIFICATE");
    // A key over TLS, and one that goes to plain text by mistake.
    let ran = who(&["--key", &key]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let plain = format!("http://{}", program.address);
    let call = ["call", "--target", &plain, "--key", &key, "AccessService/WhoAmI"];
    assert_eq!(sharehub(dir.path(), &call).await.code, Some(4));
    // On SIGHUP all is read anew, changed or not, and nothing else happens.
    let log = || fs::read_to_string(&program.log).unwrap();
    assert!(!log().contains("were read anew"), "{}", log());
    program.signal("HUP");
    let last = Instant::now() + Duration::from_secs(20);
    while !log().contains("were read anew") {
        assert!(Instant::now() < last, "SIGHUP reads nothing: {}", log());
        time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(who(&shown).await.code, Some(0));
    // Revoked, it is refused within seconds, and the key goes on.
    let ran = sharehub(dir.path(), &["pki", "dev", "pki", "--revoke", "admin"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let last = Instant::now() + Duration::from_secs(20);
    while who(&shown).await.code == Some(0) {
        assert!(Instant::now() < last, "a revoked certificate is accepted");
        time::sleep(Duration::from_millis(100)).await;
    }
    let ran = who(&["--key", &key]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(log().contains("certificate_revoked"), "{}", log());
    // A new one is good.
    let ran = sharehub(dir.path(), &["pki", "dev", "pki", "--system", "admin"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = who(&shown).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test]
async fn tls_that_cannot_be_used_is_named_before_anything_is_done() {
    let dir = tempfile::tempdir().unwrap();
    sharehub(dir.path(), &["pki", "dev", "pki", "--system", "admin"]).await;
    sharehub(dir.path(), &["pki", "dev", "other"]).await;
    fs::write(dir.path().join("empty.pem"), "").unwrap();
    let good = flags(Path::new("pki"));
    let check = async |setting: &str, arguments: &[&str]| {
        let ran = sharehub(dir.path(), &[&["serve"], arguments].concat()).await;
        assert_eq!(ran.code, Some(64), "{arguments:?}: {ran:?}");
        let flag = format!("--{}", setting.replace('_', "-"));
        assert!(ran.err.contains(&format!("bad setting: `{flag}` must ")), "{}", ran.err);
    };
    for (i, setting, file) in [
        (0, "tls_cert", "no/such.pem"),
        (0, "tls_cert", "empty.pem"),
        (0, "tls_cert", "pki/server-key.pem"),
        (1, "tls_key", "pki/server.pem"),
        (1, "tls_key", "other/server-key.pem"),
        (2, "tls_client_ca", "empty.pem"),
        (3, "tls_client_crl", "empty.pem"),
        (3, "tls_client_crl", "no/such.pem"),
    ] {
        let mut flags = good.clone();
        let (name, _) = flags[i].split_once('=').unwrap();
        flags[i] = format!("{name}={file}");
        check(setting, &flags.each_ref().map(String::as_str)).await;
    }
    // Plain text is for this machine only, unless somebody says otherwise.
    check("listen", &["--listen", "0.0.0.0:0"]).await;
    check("listen", &["--listen", "[::]:0"]).await;
    assert!(!dir.path().join("sharehub.db").exists());
    let program = Program::serve(dir.path(), &["--insecure-plaintext"]).await;
    drop(program);
}
