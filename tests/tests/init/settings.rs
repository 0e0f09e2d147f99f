//! Settings that are wrong, settings from files of their own, and what `check` and `explain` say of both.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use berth_tests::{Case, is_root, skip};
use serde_json::Value;
use snapbox::{Data, assert_data_eq};

use crate::listening::nobody;
use crate::running::{Init, Place, places, stderr, stdout};

const GOOD_KEY: &str = "abcdefghijklmnopqrstuvwxyz012345";

/// What is odd or wrong in every way that text can be, in one folder.
const BAD_DEFAULTS: &str = "API_SECRETS=secret,\nMX_HOST=mx.{{DOMAIN}}\nMX_PORT=2525\nMX_PORT=2526\n";
const BAD: &str = "# Settings\n\
    export SELF_HOSTED=true\n\
    HELPER_ENCRYPTION_KEY=tooshort\n\
    SRS_SECRET=12345678901234567890\n\
    TXT_ENCRYPTION_KEY=abc{{def\n\
    WEBHOOK_SIGNATURE_KEY=`abcdef`\n\
    SMTP_TRANSPORT_PASS=abcdef*\n\
    BREE_REDIS_PASSWORD={{REDIS_PASSWORD}}\n\
    REDIS_PASSWORD=a/b\n\
    MONGO_URI=mongodb://db/mail\n\
    EMAILS_MONGO_URI=mongodb://user:word@db:27017/mail?tls=true\n\
    APP_NAME=it costs $5 # a year\n\
    SELF_HOSTED=yes\n\
    WEB_SSL_CERT_PATH=nothing.pem\n\
    WEB_SSL_KEY_PATH=folder\n\
    DKIM_PRIVATE_KEY_PATH=.env\n\
    POP3_REDIS_PASSWORD=123\n";
const BAD_SCHEMA: &str = "API_SECRETS=\nAUTH_LOCAL_ENABLED=\nSTRIPE_KEY=\nMX_HOST=\n";

fn golden(name: &str) -> Data {
    Data::read_from(
        std::path::Path::new(&format!("{}/tests/init/golden/{name}", env!("CARGO_MANIFEST_DIR"))),
        None,
    )
}

/// A command about the role mx of an application that is a script.
fn about<'a>(case: &'a Case, words: &[&str]) -> Init<'a> {
    case.write("app/mx.js", "");
    Init::new(case, Place::Ordinary, words)
        .set("BERTH_APP_DIR", case.path("app"))
        .set("BERTH_NODE", "/bin/true")
}

fn bad(case: &Case) {
    case.write("app/.env.defaults", BAD_DEFAULTS);
    case.write("app/.env", BAD);
    case.write("app/.env.schema", BAD_SCHEMA);
    case.write("app/folder/file", "");
}

fn without_folder(case: &Case, output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).unwrap().replace(case.folder().to_str().unwrap(), "[CASE]")
}

/// The secrets of the bad settings.
fn shows_a_secret(output: &Output) -> bool {
    let said = stdout(output) + &stderr(output);
    ["tooshort", "1234567890", "abcdef", "user:word", "a/b"].iter().any(|secret| said.contains(secret))
}

#[test]
fn check_says_all_that_is_wrong_at_once() {
    let case = Case::new();
    bad(&case);
    let output = about(&case, &["check", "mx"]).set("BERTH_GRAZE", "3").output();
    assert_eq!(output.status.code(), Some(78));
    assert_data_eq!(without_folder(&case, &output.stdout), golden("check-bad.stdout"));
    assert_eq!(stderr(&output), "");
    assert!(!shows_a_secret(&output));
}

#[test]
fn check_says_the_same_to_a_program() {
    let case = Case::new();
    bad(&case);
    let text = stdout(&about(&case, &["check", "mx"]).output());
    let output = about(&case, &["check", "mx", "--json"]).output();
    assert_eq!(output.status.code(), Some(78));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&verdict["role"], &verdict["good"]), (&Value::from("mx"), &Value::from(false)));
    let findings = verdict["findings"].as_array().unwrap();
    assert_eq!(findings.len(), text.lines().filter(|line| line.starts_with("  ")).count());
    for finding in findings {
        assert!(text.contains(finding["message"].as_str().unwrap()), "{finding}");
    }
    let key = findings.iter().find(|finding| finding["key"] == "HELPER_ENCRYPTION_KEY").unwrap();
    assert_eq!(
        (&key["severity"], &key["source"], &key["line"]),
        (&"refused".into(), &".env".into(), &3.into())
    );
    assert!(!shows_a_secret(&output));
}

#[test]
fn check_of_good_settings_is_0() {
    let case = Case::new();
    case.write("app/.env.schema", "API_SECRETS=\nHELPER_ENCRYPTION_KEY=\n");
    case.write("app/.env", &format!("API_SECRETS=abc,\nHELPER_ENCRYPTION_KEY={GOOD_KEY}\n"));
    let output = about(&case, &["check", "mx"]).output();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert_data_eq!(without_folder(&case, &output.stdout), golden("check-good.stdout"));
    let verdict: Value =
        serde_json::from_slice(&about(&case, &["check", "mx", "--json"]).output().stdout).unwrap();
    assert_eq!(verdict, serde_json::json!({"role": "mx", "good": true, "findings": []}));
}

/// Its key was `engines`, which is no setting, and nothing said what to do.
#[test]
fn a_node_outside_of_engines_is_odd_and_its_setting_is_named() {
    let case = Case::new();
    case.write("app/package.json", r#"{"engines": {"node": ">=999"}}"#);
    let node = case.program("node", "#!/bin/sh\necho v24.0.0\n");
    let check = about(&case, &["check", "mx", "--json"]).set("BERTH_NODE", node);
    let verdict: Value = serde_json::from_slice(&check.output().stdout).unwrap();
    let findings = verdict["findings"].as_array().unwrap();
    let told = findings.iter().find(|finding| finding["key"] == "BERTH_NODE");
    let told = told.unwrap_or_else(|| panic!("{verdict:#}"));
    assert_eq!(told["severity"], "warned");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.ends_with(" is v24.0.0, and the application wants >=999: set it to another Node"),
        "{message}"
    );
}

#[test]
fn a_role_is_not_started_with_what_check_refuses() {
    for place in places() {
        let case = Case::new();
        bad(&case);
        let output = Init::script(&case, place, "mx", "echo started").output();
        assert_eq!(output.status.code(), Some(78));
        assert_eq!(stdout(&output), "", "it was not started");
        let refused = stdout(&about(&case, &["check", "mx"]).output());
        let refused = refused.lines().skip_while(|line| *line != "To be mended:").skip(1);
        for line in refused.take_while(|line| !line.is_empty()) {
            assert!(stderr(&output).contains(line.trim()), "{line}\n{}", stderr(&output));
        }
        assert!(!shows_a_secret(&output));
    }
}

#[test]
fn what_is_odd_is_logged_and_the_role_is_started() {
    let case = Case::new();
    case.write("app/.env", "SELF_HOSTED=maybe\n");
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready exit=6").start();
    assert_eq!(init.end(), 6);
    let odd = init.logged("a setting is odd");
    assert_eq!(odd.len(), 1, "{odd:?}");
    assert!(odd[0]["setting"].as_str().unwrap().starts_with(".env:1 SELF_HOSTED: is neither true nor false"));
}

#[test]
fn explain_says_what_would_run_and_where_each_setting_comes_from() {
    let case = Case::new();
    bad(&case);
    // The machine's limit on memory, if it has one, is not the test's.
    let explain = |words: &[&str]| {
        let init = about(&case, words).set("BERTH_GRACE", "20").set("BERTH_HEAP", "256");
        init.set("SELF_HOSTED", "true").output()
    };
    let output = explain(&["explain", "mx"]);
    assert_eq!(output.status.code(), Some(0));
    assert_data_eq!(without_folder(&case, &output.stdout), golden("explain.stdout"));
    assert!(!shows_a_secret(&output));
    let output = explain(&["explain", "mx", "--json"]);
    assert_data_eq!(without_folder(&case, &output.stdout), golden("explain.json"));
    assert!(!shows_a_secret(&output));
}

/// One wrong setting made explain say of every store that its setting does not say where it is.
#[test]
fn explain_says_what_is_wrong_with_one_need_and_where_the_others_are() {
    let case = Case::new();
    let init = about(&case, &["explain", "mx"]).set("MONGO_URI", "http://mongo");
    let output = init.set("BREE_REDIS_HOST", "redis").output();
    let said = stdout(&output);
    assert!(
        said.contains("document store: MONGO_URI cannot be used: it does not begin with mongodb://"),
        "{said}"
    );
    assert!(said.contains("key-value store: redis:6379"), "{said}");
}

#[test]
fn a_mistyped_role_is_corrected_by_check_and_explain_too() {
    let case = Case::new();
    for verb in ["check", "explain"] {
        let output = about(&case, &[verb, "mxx"]).output();
        assert_eq!(output.status.code(), Some(64));
        assert!(stderr(&output).contains("did you mean mx?"), "{}", stderr(&output));
    }
}

#[test]
fn a_host_called_like_the_mail_domain_and_a_node_that_is_too_old_are_odd() {
    let case = Case::new();
    let name = stdout(&crate::running::run(case.command("uname").arg("-n"))).trim().to_owned();
    case.write("app/package.json", r#"{"engines": {"node": ">=22.19"}}"#);
    let node = case.program("node", "#!/bin/sh\necho v20.20.2\n");
    let output = about(&case, &["check", "mx"]).set("WEB_HOST", name).set("BERTH_NODE", node).output();
    assert_eq!(output.status.code(), Some(0));
    let said = stdout(&output);
    assert!(said.contains("environment WEB_HOST: is what this host is called"), "{said}");
    assert!(said.contains("is v20.20.2, and the application wants >=22.19"), "{said}");
}

#[test]
fn a_setting_may_be_in_a_file_of_its_own() {
    let script = r#"echo "$API_SECRETS|${API_SECRETS_FILE-none}|$SSL_CERT_FILE|$OTHER_FILE"; exit 6"#;
    for place in places() {
        let case = Case::new();
        case.write("app/.env.schema", "API_SECRETS=\n");
        case.write("secret", "a b$c,\n");
        let init = Init::script(&case, place, "mx", script).set("API_SECRETS_FILE", case.path("secret"));
        // Neither is of the schema, so neither is ours.
        let output = init.set("SSL_CERT_FILE", "/no/such").set("OTHER_FILE", "/none").output();
        assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
        assert_eq!(stdout(&output), "a b$c,|none|/no/such|/none\n");
    }
}

/// The schema of a published image lacks SRS_SECRET, and that of an older one whole roles: their secrets came in files, and
/// were not handed over.
#[test]
fn a_secret_may_be_in_a_file_of_its_own_though_the_schema_lacks_it() {
    let case = Case::new();
    case.write("app/.env.schema", "WEB_HOST=\n");
    case.write("secret", "value\n");
    let script = "echo \"$SRS_SECRET|$CARDDAV_REDIS_PASSWORD|${SRS_SECRET_FILE-none}\"; exit 6";
    let init = Init::script(&case, Place::Ordinary, "mx", script).set("WEB_HOST", "a.test");
    let init = init.set("SRS_SECRET_FILE", case.path("secret"));
    let output = init.set("CARDDAV_REDIS_PASSWORD_FILE", case.path("secret")).output();
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert_eq!(stdout(&output), "value|value|none\n");
}

#[test]
fn what_is_run_beside_a_role_is_handed_the_settings_if_it_asks() {
    let case = Case::new();
    case.write("app/.env.schema", "WEB_HOST=\n");
    case.write("app/mx.js", "");
    case.write("secret", "value\n");
    let program = ["--", "/bin/sh", "-c", "echo \"$SRS_SECRET|${SRS_SECRET_FILE-none}\""];
    let init = |words: &[&str]| {
        let words = [words, &program].concat();
        let init = Init::new(&case, Place::Ordinary, &words).set("BERTH_APP_DIR", case.path("app"));
        init.set("SRS_SECRET_FILE", case.path("secret")).set("WEB_HOST", "a.test")
    };
    assert_eq!(stdout(&init(&["--settings"]).output()), "value|none\n");
    let as_it_is = stdout(&init(&[]).output());
    assert_eq!(as_it_is, format!("|{}\n", case.path("secret").display()));

    fs_err::remove_file(case.path("secret")).unwrap();
    let output = init(&["--settings"]).output();
    assert_eq!((output.status.code(), &*stdout(&output)), (Some(78), ""));
    assert!(stderr(&output).contains("environment SRS_SECRET_FILE: names "), "{}", stderr(&output));

    let output = init(&["--settings"]).set("BERTH_APP_DIR", case.path("nowhere")).output();
    assert_eq!(output.status.code(), Some(127), "{}", stderr(&output));
    assert!(stderr(&output).contains("there is no application in "), "{}", stderr(&output));
}

#[test]
fn a_file_of_its_own_is_read_again_at_a_restart() {
    let case = Case::new();
    case.write("app/.env.schema", "SRS_SECRET=\n");
    case.write("secret", "first\n");
    let script = "trap 'exit 0' TERM; echo $SRS_SECRET; echo '\"ready\"' >&$NODE_CHANNEL_FD; while :; do sleep 0.05; done";
    let mut init = Init::script(&case, Place::Ordinary, "mx", script)
        .set("SRS_SECRET_FILE", case.path("secret"))
        .start();
    init.until("ready");
    case.write("secret", "second\n");
    assert!(init.ask(&["restart"]).status.success());
    init.until_said("second");
    init.stop();
    assert_eq!(init.said(), ["first", "second"]);
}

#[test]
fn a_file_that_holds_no_setting_is_refused_by_name() {
    let case = Case::new();
    case.write("app/.env.schema", "SRS_SECRET=\n");
    case.write("empty", "\n\n");
    case.write("nul", "a\0b\n");
    case.write("long", &"x".repeat(70_000));
    fs_err::write(case.path("latin"), b"caf\xe9\n").unwrap();
    fs_err::create_dir(case.path("folder")).unwrap();
    assert!(case.command("mkfifo").arg("pipe").status().unwrap().success());
    let names = ["empty", "nul", "long", "latin", "folder", "pipe", "missing", "/dev/zero"];
    for name in names {
        let output = about(&case, &["check", "mx"]).set("SRS_SECRET_FILE", case.path(name)).output();
        assert_eq!(output.status.code(), Some(78), "{name}");
        let said = stdout(&output);
        assert!(said.contains("environment SRS_SECRET_FILE: names ") && said.contains(name), "{said}");
    }
    case.write("secret", "good\n");
    let both = about(&case, &["check", "mx"]).set("SRS_SECRET_FILE", case.path("secret"));
    let output = both.set("SRS_SECRET", "other").output();
    assert_eq!(output.status.code(), Some(78));
    assert!(
        stdout(&output).contains("SRS_SECRET: is given here and by SRS_SECRET_FILE"),
        "{}",
        stdout(&output)
    );
    // What has only a default, and what Compose gives as an empty text, are not given twice.
    case.write("app/.env.defaults", "SRS_SECRET=default\n");
    let output = about(&case, &["check", "mx"])
        .set("SRS_SECRET_FILE", case.path("secret"))
        .set("SRS_SECRET", "")
        .output();
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
}

#[test]
fn a_settings_file_that_cannot_be_read_is_refused_and_not_passed_over() {
    for place in [".env", ".env.defaults", ".env.schema"] {
        let case = Case::new();
        fs_err::create_dir_all(case.path("app").join(place)).unwrap();
        let output = about(&case, &["check", "mx"]).output();
        assert_eq!(output.status.code(), Some(78));
        assert!(stdout(&output).contains(&format!("{place}: cannot be read")), "{}", stdout(&output));
        let case = Case::new();
        case.write(format!("app/{place}"), &"#\n".repeat(600_000));
        assert_eq!(about(&case, &["check", "mx"]).output().status.code(), Some(78));
    }
}

#[test]
fn whoever_may_not_read_a_key_is_told_whose_it_is() {
    if !is_root() {
        skip("only root makes files that another may not read");
        return;
    }
    let case = Case::new();
    let mode = |path: std::path::PathBuf, mode| {
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(case.folder().to_owned(), 0o755);
    case.write("app/mx.js", "");
    case.write("app/dkim.key", "");
    mode(case.path("app/dkim.key"), 0o600);
    let output = about(&case, &["check", "mx"])
        .set("DKIM_PRIVATE_KEY_PATH", "dkim.key")
        .through(&["setpriv", "--reuid=10001", "--clear-groups"])
        .output();
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("dkim.key may not be read: owner uid 0, mode 0600, and we are uid 10001"),
        "{}",
        stdout(&output)
    );
}

/// A key-value store that takes nobody's password.
const REFUSING: &str = r#"
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    stream = listener.accept()[0]
    while stream.recv(4096):
        stream.sendall(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
"#;

#[test]
fn a_store_that_refuses_the_login_is_to_be_mended_and_one_that_does_not_answer_is_odd() {
    let case = Case::new();
    let check = |port: String| {
        let check = about(&case, &["check", "mx"]).set("BREE_REDIS_HOST", "127.0.0.1");
        check.set("BREE_REDIS_PORT", port).set("BREE_REDIS_PASSWORD", "wrong-password").output()
    };
    let output = check(nobody());
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("Odd:\n  BREE_REDIS_HOST"), "{}", stdout(&output));

    let mut server = case.command("python3").args(["-c", REFUSING]).stdout(Stdio::piped()).spawn().unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let output = check(port.trim().to_owned());
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", stdout(&output));
    assert!(stdout(&output).contains("To be mended:\n  BREE_REDIS_HOST"), "{}", stdout(&output));
    assert!(!stdout(&output).contains("wrong-password"));
}

/// `check` had said of empty ones that they would do, and the role ended at its start.
#[test]
fn an_empty_certificate_is_refused_where_the_application_reads_it() {
    let case = Case::new();
    let check = |environment| {
        let init = about(&case, &["check", "mx"]).set("NODE_ENV", environment);
        let output = init.set("WEB_SSL_CERT_PATH", "").set("WEB_SSL_KEY_PATH", "").output();
        (output.status.code(), without_folder(&case, &output.stdout))
    };
    let (code, said) = check("production");
    assert_eq!(code, Some(78), "{said}");
    for key in ["WEB_SSL_CERT_PATH", "WEB_SSL_KEY_PATH"] {
        let finding = format!("{key}: is empty, and the role does not start without a certificate");
        assert!(said.contains(&finding), "{said}");
    }
    assert_eq!(check("development").0, Some(0));
}
