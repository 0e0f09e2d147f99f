//! The front, as `compose.yaml` has it, before something that tells what it was asked.

use std::process::Command;

use berth_tests::wait_until_within;

use crate::compose_files::written;
use crate::engine::{Engine, PATIENCE, base};

/// Stands for a role with pages: says in JSON what it was asked, counts bytes, and agrees to be a WebSocket.
const ROLE: &str = r"
const { createServer } = require('node:https');
const { readFileSync } = require('node:fs');
const read = (name) => readFileSync(`/certificates/${name}.pem`);
const [port, name] = process.argv.slice(2);
const server = createServer({ key: read('privkey'), cert: read('fullchain') }, (request, response) => {
  let bytes = 0;
  request.on('data', (data) => (bytes += data.length));
  request.on('end', () => {
    response.writeHead(request.url === '/401' ? 401 : 200, { 'Strict-Transport-Security': 'max-age=1' });
    response.end(JSON.stringify({ name, bytes, method: request.method, url: request.url, ...request.headers }));
  });
});
server.on('upgrade', (request, socket) => {
  socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nupgraded\n');
});
server.listen(Number(port));
process.on('SIGTERM', () => process.exit());
";

/// Begins as many requests at a time as its second argument says, and ends none; then prints how many were answered, and
/// with what.
const MANY: &str = r#"
import select, socket, ssl, sys, time
host, port = sys.argv[1].rsplit(":", 1)
context = ssl._create_unverified_context()
context.maximum_version = ssl.TLSVersion.TLSv1_2  # later ones say something after the handshake, too
pipes = []
for _ in range(int(sys.argv[2])):
    pipes.append(context.wrap_socket(socket.create_connection((host, int(port))), server_hostname="api.example.test"))
    pipes[-1].sendall(b"POST / HTTP/1.1\r\nHost: api.example.test\r\nContent-Length: 1\r\n\r\n")
answers = []
end = time.monotonic() + 5
while (left := end - time.monotonic()) > 0:
    for pipe in select.select(pipes, [], [], left)[0]:
        answers.append(pipe.recv(12).decode())
        pipes.remove(pipe)
print(len(answers), *sorted(set(answers)))
"#;

/// Roles with pages, and the numbers at which they listen.
const ROLES: [(&str, u16); 4] = [("web", 3000), ("api", 4000), ("caldav", 5000), ("carddav", 6000)];

/// The front, and for the roles what stands for them, as a Compose project of this test.
struct Front {
    engine: Engine,
    project: String,
}

impl Front {
    fn up() -> Option<Self> {
        let engine = Engine::new()?;
        written(&engine.case);
        let image = base("node");
        let roles = ROLES.map(|(name, port)| {
            format!(
                "  {name}:\n    image: {image}\n    entrypoint: [node, /role.js, '{port}', {name}]\n    \
                 depends_on: !reset null\n    healthcheck: !reset null\n    secrets: !reset null\n    \
                 volumes: [./role.js:/role.js:ro]\n"
            )
        });
        let roles = format!("services:\n{}", roles.concat());
        engine.case.write("compose/role.js", ROLE);
        engine.case.write("compose/roles.yaml", &roles);
        engine.case.write("compose/acme/.well-known/acme-challenge/token", "token.thumbprint");
        let project = engine.name("front");
        let front = Self { engine, project };
        front.certificate();
        let names = ROLES.map(|(name, _)| name);
        front.compose(&[&["up", "--detach", "--wait", "front"], &names[..]].concat());
        // Nobody checks the health of what stands for the roles.
        for name in names {
            wait_until_within(PATIENCE, &format!("{name} is there"), || {
                let host = format!("{name}.example.test");
                serde_json::from_str::<serde_json::Value>(&front.ask(&host, "/", &[])).ok()
            });
        }
        Some(front)
    }

    /// Puts a new certificate into the folder, as whoever renews one does; gives its serial number.
    fn certificate(&self) -> String {
        let script = "cd \"$0\" && mkdir -p certificates && cd certificates &&
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=example.test \
              -addext subjectAltName=DNS:example.test,DNS:*.example.test -keyout k -out c 2>/dev/null &&
            chmod 444 k c && chmod 755 . && mv -f k privkey.pem && mv -f c fullchain.pem &&
            openssl x509 -noout -serial -in fullchain.pem";
        let folder = self.engine.case.path("compose").display().to_string();
        said(self.engine.case.command("sh").args(["-c", script, &folder]))
    }

    fn compose(&self, words: &[&str]) -> String {
        said(&mut self.command(words))
    }

    fn command(&self, words: &[&str]) -> Command {
        let file = |name: &str| self.engine.case.path("compose").join(name).display().to_string();
        let (base, roles) = (file("compose.yaml"), file("roles.yaml"));
        let project = ["compose", "--env-file=/dev/null", "--project-name", &self.project];
        let mut command =
            self.engine.docker(&[&project, &["--file", &base, "--file", &roles], words].concat());
        command.env("DOMAIN", "example.test").env("BERTH_IMAGE", "none").env("NOFILE", "4096");
        command.env("NGINX_IMAGE", crate::engine::base("nginx")).env("BERTH_BIND", "127.0.0.1");
        command.env("BERTH_PORT_HTTP", "0").env("BERTH_PORT_HTTPS", "0");
        command
    }

    /// Where a port of the front is published.
    fn published(&self, port: u16) -> String {
        self.compose(&["port", "front", &port.to_string()])
    }

    /// Asks for a page of a host over HTTPS. Gives what curl prints.
    fn ask(&self, host: &str, path: &str, words: &[&str]) -> String {
        let to = format!("::{}", self.published(8443));
        let mut curl = self.engine.case.command("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--path-as-is", "--max-time", "60"]);
        curl.args(["--connect-to", &to, &format!("https://{host}{path}")]).args(words);
        said(&mut curl)
    }

    fn told(&self, host: &str, path: &str, words: &[&str]) -> serde_json::Value {
        let told = self.ask(host, path, words);
        serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"))
    }

    /// Asks over plain HTTP, for the head alone.
    fn plain(&self, path: &str, words: &[&str]) -> String {
        let url = format!("http://{}{path}", self.published(8080));
        let mut curl = self.engine.case.command("curl");
        curl.args(["--silent", "--include", "--path-as-is", "--header", "Host: example.test", &url])
            .args(words);
        said(&mut curl)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--volumes", "--remove-orphans", "--timeout", "1"]).output();
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {out}{err}");
    out.trim().to_owned()
}

#[test]
fn the_name_that_is_asked_for_chooses_the_role() {
    let Some(front) = Front::up() else { return };
    for (host, role) in [
        ("example.test", "web"),
        ("imap.example.test", "web"),
        ("api.example.test", "api"),
        ("caldav.example.test", "caldav"),
        ("carddav.other.example", "carddav"),
        ("notapi.example.test", "web"),
    ] {
        assert_eq!(front.told(host, "/a%2Fb?c=d", &[])["name"], role, "{host}");
    }
    assert_eq!(front.told("example.test", "/a%2Fb?c=d", &[])["url"], "/a%2Fb?c=d", "as it was asked");
}

#[test]
fn a_role_is_told_who_asks_and_for_what_whatever_the_client_says_of_itself() {
    let Some(front) = Front::up() else { return };
    let forged = [
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Proto: http",
        "X-Real-IP: 192.0.2.1",
        "X-Forwarded-Host: evil.test",
    ];
    let forged = forged.map(|header| ["--header", header]).concat();
    for protocol in ["--http1.1", "--http2"] {
        let told = front.told("api.example.test", "/", &[&forged, &[protocol][..]].concat());
        let client = told["x-forwarded-for"].as_str().unwrap();
        assert!(client.parse::<std::net::IpAddr>().is_ok() && client != "192.0.2.1", "{told:#}");
        assert_eq!(told["x-real-ip"], client);
        assert_eq!([&told["x-forwarded-proto"], &told["x-forwarded-host"]], ["https", "api.example.test"]);
        assert_eq!(told["host"], "api.example.test");
    }
    let port = ["--header", "Host: api.example.test:8443"];
    assert_eq!(
        front.told("api.example.test", "/", &port)["host"],
        "api.example.test:8443",
        "its port counts for browsers"
    );
}

#[test]
fn http_2_methods_of_dav_websockets_and_statuses_pass() {
    let Some(front) = Front::up() else { return };
    let version = ["--write-out", "%{http_version} %{http_code}", "--output", "/dev/null"];
    assert_eq!(front.ask("example.test", "/", &version), "2 200");
    assert_eq!(front.ask("example.test", "/401", &version), "2 401");
    for method in ["PROPFIND", "PROPPATCH", "REPORT", "MKCALENDAR", "MKCOL", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(front.told("caldav.example.test", "/dav/", &["--request", method])["method"], method);
    }
    let upgrade = ["--http1.1", "--header", "Connection: Upgrade", "--header", "Upgrade: websocket"];
    let upgraded = front.ask("api.example.test", "/", &[&upgrade, &["--include"][..]].concat());
    assert!(upgraded.starts_with("HTTP/1.1 101") && upgraded.ends_with("upgraded"), "{upgraded}");
}

#[test]
fn a_mail_of_the_greatest_size_passes_and_more_is_refused() {
    let Some(front) = Front::up() else { return };
    let body = |megabytes: u64| {
        let path = front.engine.case.path("body");
        fs_err::File::create(&path).unwrap().set_len(megabytes * 1024 * 1024).unwrap();
        format!("@{}", path.display())
    };
    let (most, more) = (body(70), ["--write-out", "%{http_code}", "--output", "/dev/null"]);
    let told = front.told("api.example.test", "/", &["--data-binary", &most, "--header", "Expect:"]);
    assert_eq!(told["bytes"], 70 * 1024 * 1024);
    let (url, sent) = (front.published(8443), body(73));
    let mut curl = front.engine.case.command("curl");
    curl.args(["--silent", "--insecure", "--header", "Host: api.example.test", &format!("https://{url}/")]);
    assert_eq!(said(curl.args(["--data-binary", &sent]).args(more)), "413");
}

#[test]
fn a_client_with_more_requests_at_a_time_than_people_have_is_told_so() {
    let Some(front) = Front::up() else { return };
    let begin = |count: &str| {
        let mut many = front.engine.case.command("python3");
        said(many.args(["-c", MANY, &front.published(8443), count]))
    };
    assert_eq!(begin("300"), "44 HTTP/1.1 429", "256 are under way");
    wait_until_within(PATIENCE, "none of these are", || (begin("250") == "0").then_some(()));
}

#[test]
fn port_80_answers_certificate_authorities_and_sends_all_else_to_https() {
    let Some(front) = Front::up() else { return };
    let answer = front.plain("/.well-known/acme-challenge/token", &[]);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("token.thumbprint"), "{answer}");
    assert!(front.plain("/.well-known/acme-challenge/other", &[]).starts_with("HTTP/1.1 404"));
    assert!(front.plain("/.well-known/acme-challenge/../../etc/passwd", &[]).starts_with("HTTP/1.1 308"));
    let sent_on = front.plain("/mail?a=b", &["--request", "POST"]);
    assert!(
        sent_on.starts_with("HTTP/1.1 308")
            && sent_on.contains("Location: https://example.test/mail?a=b\r\n"),
        "{sent_on}"
    );
    assert!(!sent_on.contains("Strict-Transport-Security"), "RFC 6797 section 7.2: {sent_on}");
    let promised = front.ask("example.test", "/401", &["--include", "--http1.1"]);
    let given: Vec<_> =
        promised.lines().filter(|line| line.starts_with("Strict-Transport-Security")).collect();
    assert_eq!(given, ["Strict-Transport-Security: max-age=15768000"], "once, and the front's: {promised}");
}

#[test]
fn devices_are_sent_from_the_mail_domain_to_calendars_and_contacts() {
    let Some(front) = Front::up() else { return };
    let to =
        ["--write-out", "%{http_code} %{redirect_url}", "--output", "/dev/null", "--request", "PROPFIND"];
    for dav in ["caldav", "carddav"] {
        let path = format!("/.well-known/{dav}");
        assert_eq!(front.ask("example.test", &path, &to), format!("301 https://{dav}.example.test/"));
        assert_eq!(front.ask("www.example.test", &path, &to), format!("301 https://{dav}.example.test/"));
        assert_eq!(
            front.ask(&format!("{dav}.example.test"), &path, &to),
            format!("301 https://{dav}.example.test/")
        );
    }
}

#[test]
fn a_new_certificate_is_shown_after_a_reload_that_breaks_nothing() {
    let Some(front) = Front::up() else { return };
    let shown = || {
        let script = "openssl s_client -connect \"$0\" -servername example.test </dev/null 2>/dev/null | openssl x509 -noout -serial";
        said(front.engine.case.command("sh").args(["-c", script, &front.published(8443)]))
    };
    let before = shown();
    let serial = front.certificate();
    assert_ne!(before, serial);
    assert_eq!(shown(), before, "not before it is told");
    front.compose(&["exec", "--no-TTY", "front", "nginx", "-s", "reload"]);
    wait_until_within(PATIENCE, "the new certificate is shown", || (shown() == serial).then_some(()));
    // A configuration that is none is refused, and the old one goes on.
    front.engine.case.write("compose/front/nginx.conf", "http {");
    assert!(
        !front
            .command(&["exec", "--no-TTY", "front", "nginx", "-s", "reload"])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(front.told("example.test", "/", &[])["name"], "web");
    assert_eq!(front.compose(&["ps", "--format", "{{.Health}}", "front"]), "healthy");
}

#[test]
fn a_role_is_found_in_its_next_container_and_the_front_lives_without_it() {
    let Some(front) = Front::up() else { return };
    let status = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    let address = || front.compose(&["exec", "--no-TTY", "api", "hostname", "-i"]);
    let before = address();
    front.compose(&["stop", "--timeout", "1", "api"]);
    assert!(["502", "504"].contains(&&*front.ask("api.example.test", "/", &status)));
    // Another takes its address.
    front.compose(&["run", "--detach", "--no-deps", "carddav"]);
    front.compose(&["up", "--detach", "--no-deps", "--force-recreate", "api"]);
    assert_ne!(address(), before, "else nothing was tried");
    wait_until_within(PATIENCE, "it is found", || {
        (front.ask("api.example.test", "/", &status) == "200").then_some(())
    });
}
