//! `taskward doctor` in front of certificates that prove nothing.

use serde_json::Value;

use crate::common::{Ended, bare, end};
use crate::wire_rows::{certificate, secure};

/// Runs `doctor` with an account of this server; the lines of its checks.
fn doctor(url: &str, args: &[&str], env: &[(&str, &str)]) -> Ended {
    let mut command = bare(&[&["doctor", "--json"], args].concat());
    command
        .env("NANONETS_API_KEY", "canary-of-the-doctor")
        .env("NANONETS_BASE_URL", url)
        .envs(env.iter().copied());
    end(command, "")
}

/// Asserts that a check with this result says all of this.
fn says(ended: &Ended, result: &str, words: &[&str]) {
    let lines = ended.lines();
    let text = |line: &Value| {
        let part = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        format!("{}: {} ({})", part("about"), part("message"), part("hint"))
    };
    let found = lines
        .iter()
        .filter(|line| line["result"] == result)
        .map(text);
    let found: Vec<String> = found.collect();
    let all = |line: &String| words.iter().all(|word| line.contains(word));
    assert!(found.iter().any(all), "{words:?} in {found:#?}");
}

/// Rows: O6.
#[cfg(target_os = "linux")]
#[test]
fn a_certificate_out_of_its_time_names_the_clock() {
    let ca = certificate("ca.pem");
    let env = [("SSL_CERT_FILE", ca.to_str().expect("text"))];
    for (name, words) in [
        ("expired.pem", "has expired"),
        ("notyet.pem", "not valid yet"),
    ] {
        let server = secure(name);
        let url = format!("https://localhost:{}", server.address.port());
        let ended = doctor(&url, &["--live"], &env);
        says(
            &ended,
            "problem",
            &["tls: ", words, "this machine's clock says", "a wrong clock"],
        );
        assert_eq!(server.requests(), 0);
    }
    let good = secure("good.pem");
    let url = format!("https://localhost:{}", good.address.port());
    let trusted = doctor(&url, &[], &env);
    says(&trusted, "ok", &["tls: the handshake succeeded"]);
    says(&trusted, "ok", &["from SSL_CERT_FILE"]);
    let none = [("SSL_CERT_FILE", "/nowhere.pem")];
    let missing = doctor(&url, &[], &none);
    says(&missing, "problem", &["SSL_CERT_FILE names /nowhere.pem"]);
}
