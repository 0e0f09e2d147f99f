//! The user that BERTH_USER names, looked up in the files: a static program has no name service switch.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use berth_report::{Code, Problem};
use berth_supervise::{User, become_user};
use nix::unistd::{Gid, Uid, geteuid};

use crate::own::Own;
use crate::review::Environment;

/// Becomes the user that BERTH_USER names, where we are root; gives it. From then on whatever is read is read as that user.
pub fn leave_root(own: &Own) -> Result<Option<User>> {
    let Some(name) = own.user.as_deref().filter(|_| geteuid().is_root()) else { return Ok(None) };
    // A full name may be in any encoding, and is not asked.
    let file = |path| String::from_utf8_lossy(&fs_err::read(path).unwrap_or_default()).into_owned();
    let user = find(name, &file("/etc/passwd"), &file("/etc/group"));
    let user = user.map_err(|cause| {
        Problem::new(Code::Settings, "cannot tell which user BERTH_USER is")
            .hint("name one of /etc/passwd, or give numbers: BERTH_USER=10001:10001")
            .because(cause)
    })?;
    if user.uid.is_root() {
        return Ok(None);
    }
    become_user(&user).map_err(|cause| {
        Problem::new(Code::CannotRun, format!("cannot become the user {name} (BERTH_USER)"))
            .hint(
                "this takes the capabilities SETUID and SETGID, or a container that is started as that user",
            )
            .because(cause)
    })?;
    Ok(Some(user))
}

/// What the environment says of a user's folder, as login(1) and `docker run --user` set it.
pub fn home_of(user: Option<User>) -> Environment {
    let home = user.and_then(|user| user.home);
    home.map(|home| ("HOME".into(), Some(home.into()))).into_iter().collect()
}

/// `name`, `name:group`, `uid` or `uid:gid`, as container engines take it; but a uid that nobody has says its group itself.
fn find(wanted: &str, passwd: &str, group: &str) -> Result<User> {
    let (user, own_group) =
        wanted.split_once(':').map_or((wanted, None), |(user, group)| (user, Some(group)));
    let number = |text: &str| text.parse::<u32>().ok();
    // A name comes first, though it be a number.
    let entry = Entry::all(passwd)
        .find(|entry| entry.name == user)
        .or_else(|| Entry::all(passwd).find(|entry| number(user) == Some(entry.uid)));
    let uid = entry.as_ref().map(|entry| entry.uid).or_else(|| number(user));
    let uid = uid.with_context(|| format!("there is no user {user:?} in /etc/passwd"))?;
    let gid = match (own_group, &entry) {
        (Some(name), _) => group_named(name, group)
            .or_else(|| number(name))
            .with_context(|| format!("there is no group {name:?} in /etc/group"))?,
        (None, Some(entry)) => entry.gid,
        (None, None) => bail!("uid {uid} is not in /etc/passwd, so its group has to be given too"),
    };
    // -1 means "as it is" to setresuid(2).
    if uid == u32::MAX || gid == u32::MAX {
        return Err(anyhow!("{} is no number of a user or a group", u32::MAX));
    }
    let member = entry.as_ref().map_or("", |entry| entry.name);
    let mut groups = groups_of(member, group);
    groups.retain(|other| *other != gid);
    Ok(User {
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(gid),
        groups: groups.into_iter().map(Gid::from_raw).collect(),
        home: entry.and_then(|entry| (!entry.home.is_empty()).then(|| PathBuf::from(entry.home))),
    })
}

/// A line of /etc/passwd (passwd(5)).
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn all(passwd: &'a str) -> impl Iterator<Item = Self> {
        passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            let uid = fields.nth(1)?.parse().ok()?;
            let (gid, home) = (fields.next()?.parse().ok()?, fields.nth(1)?);
            Some(Self { name, uid, gid, home })
        })
    }
}

/// The lines of /etc/group (group(5)): name, number, members.
fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse().ok()?, fields.next()?))
    })
}

fn group_named(wanted: &str, group: &str) -> Option<u32> {
    groups(group).find(|(name, ..)| *name == wanted).map(|(_, gid, _)| gid)
}

fn groups_of(member: &str, group: &str) -> Vec<u32> {
    let is_in = |members: &str| members.split(',').any(|other| !member.is_empty() && other.trim() == member);
    groups(group).filter(|(.., members)| is_in(members)).map(|(_, gid, _)| gid).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Lines that were cut or are none, before and behind: the user is the one whose line it is, or there is none.
        #[test]
        fn nobody_is_taken_for_another(
            before in "[^\n]{0,20}|[a-z:0-9\n]{0,40}", name in "[a-z]{9,12}", uid in 0..u32::MAX, gid in 0..u32::MAX, group in ".{0,40}",
        ) {
            let passwd = format!("{before}\n{name}:x:{uid}:{gid}:A. Name:/home:/bin/sh\n");
            let user = find(&name, &passwd, &group).unwrap();
            prop_assert_eq!((user.uid.as_raw(), user.gid.as_raw()), (uid, gid));
            let other = format!("{name}x");
            prop_assert!(find(&other, &passwd, &group).is_err());
            let cut = &passwd[..passwd.rfind(":A.").unwrap()];
            prop_assert!(find(&name, cut, &group).is_err(), "a line without a folder is none");
        }

        #[test]
        fn any_name_is_found_or_refused(wanted in "[a-z0-9:+-]{0,12}|.{0,9}", passwd in ".{0,60}", group in ".{0,60}") {
            if let Ok(user) = find(&wanted, &passwd, &group) {
                prop_assert!(user.uid.as_raw() != u32::MAX && user.gid.as_raw() != u32::MAX);
            }
        }
    }

    const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/bash
# a comment
broken:x:many:0::/:
mail:x:8:12:mail:/var/mail:/usr/sbin/nologin
10001:x:7:7:a number for a name:/seven:
berth:x:10001:10002:::
";
    const GROUP: &str = "root:x:0:\nmail:x:12:\nssl-cert:x:105:other,mail\nboth:x:106:mail,berth\n:::\n";

    /// uid, gid, groups and home.
    fn found(wanted: &str) -> Result<(u32, u32, Vec<u32>, String)> {
        let User { uid, gid, groups, home } = find(wanted, PASSWD, GROUP)?;
        let groups = groups.into_iter().map(Gid::as_raw).collect();
        Ok((uid.as_raw(), gid.as_raw(), groups, home.unwrap_or_default().display().to_string()))
    }

    #[test]
    fn a_user_has_the_groups_that_name_it_as_a_member() {
        assert_eq!(found("mail").unwrap(), (8, 12, vec![105, 106], "/var/mail".to_owned()));
        assert_eq!(found("mail:ssl-cert").unwrap(), (8, 105, vec![106], "/var/mail".to_owned()));
        assert_eq!(found("8").unwrap(), found("mail").unwrap());
        assert_eq!(found("berth").unwrap(), (10001, 10002, vec![106], String::new()));
    }

    #[test]
    fn numbers_that_nobody_has_are_taken_as_they_are() {
        assert_eq!(found("4711:4712").unwrap(), (4711, 4712, vec![], String::new()));
        let told = found("4711").unwrap_err().to_string();
        assert_eq!(told, "uid 4711 is not in /etc/passwd, so its group has to be given too");
    }

    #[test]
    fn what_is_no_user_is_refused() {
        for wanted in
            ["", "nobody", "mail:nobody", "broken", "-1", "4294967295:1", "1:4294967295", ":", "1:2:3"]
        {
            assert!(found(wanted).is_err(), "{wanted:?}");
        }
    }
}
