//! The door for mail clients: what the proof says, and no more than that.

use std::sync::Arc;

use crate::line::Line;
use crate::pretend::{ADDRESS, Fault, PASSWORD, Shared};

pub async fn serve(shared: Arc<Shared>, mut line: Line) -> Option<()> {
    let mut folder = String::new();
    let mut arrivals = shared.arrivals.subscribe();
    line.write("* OK pretend").await?;
    loop {
        let command = line.read().await?;
        let (tag, command) = command.split_once(' ')?;
        let words: Vec<_> = command.split(' ').collect();
        let (mut ok, mut lines) = (true, Vec::new());
        match words.as_slice() {
            ["STARTTLS"] => {
                line.write(&format!("{tag} OK go on")).await?;
                line = line.encrypt(&shared.acceptor).await?;
                continue;
            }
            ["CAPABILITY"] => lines.push("* CAPABILITY IMAP4rev1 IDLE UIDPLUS".to_owned()),
            ["LOGIN", ..] => ok = command == format!("LOGIN \"{ADDRESS}\" {}", quoted(PASSWORD)),
            ["LIST", ..] => {
                let folders = ["() \"/\" INBOX", "() \"/\" \"Sent\"", "(\\NoSelect) \"/\" \"Shared\""];
                lines.extend(folders.map(|folder| format!("* LIST {folder}")));
            }
            ["SELECT", name] => {
                name.trim_matches('"').clone_into(&mut folder);
                let next = shared.mails.lock().unwrap().last().map_or(1, |last| last.uid + 1);
                lines.push(format!("* OK [UIDNEXT {next}] next"));
                ok = folder != "Shared";
            }
            ["IDLE"] => {
                line.write("+ idling").await?;
                arrivals.mark_unchanged();
                loop {
                    tokio::select! {
                        done = line.read() => break drop(done?),
                        Ok(()) = arrivals.changed() => line.write("* 1 EXISTS").await?,
                    }
                }
            }
            ["UID", "SEARCH", .., "SUBJECT", token] => {
                let first = words
                    .iter()
                    .find_map(|word| word.strip_suffix(":*"))
                    .map_or(1, |uid| uid.parse().unwrap());
                lines.push(format!("* SEARCH {}", search(&shared, &folder, first, token.trim_matches('"'))));
            }
            ["UID", "FETCH", uid, ..] => {
                let mails = shared.mails.lock().unwrap();
                for mail in mails.iter().filter(|mail| mail.uid.to_string() == *uid) {
                    let text = str::from_utf8(&mail.raw).unwrap();
                    lines.push(format!("* 1 FETCH (UID {uid} BODY[] {{{}}}\r\n{text})", text.len()));
                }
            }
            ["UID", "STORE", set, "+FLAGS.SILENT", "(\\Deleted)"] => {
                let mut mails = shared.mails.lock().unwrap();
                mails.iter_mut().for_each(|mail| mail.deleted |= contains(set, mail.uid));
            }
            ["UID", "EXPUNGE", set] if shared.fault != Fault::Keeps => {
                let mut mails = shared.mails.lock().unwrap();
                mails.retain(|mail| mail.folder != folder || !mail.deleted || !contains(set, mail.uid));
            }
            ["LOGOUT"] => lines.push("* BYE".to_owned()),
            _ => {}
        }
        lines.push(format!("{tag} {}", if ok { "OK done" } else { "NO [AUTHENTICATIONFAILED] no" }));
        line.write(&lines.join("\r\n")).await?;
    }
}

fn search(shared: &Shared, folder: &str, first: u32, token: &str) -> String {
    let mails = shared.mails.lock().unwrap();
    let here = mails.iter().filter(|mail| mail.folder == folder && mail.uid >= first);
    let found = here.filter(|mail| String::from_utf8_lossy(&mail.raw).contains(token));
    found.map(|mail| mail.uid.to_string()).collect::<Vec<_>>().join(" ")
}

fn contains(set: &str, uid: u32) -> bool {
    set.split(',').any(|word| word.parse() == Ok(uid))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
