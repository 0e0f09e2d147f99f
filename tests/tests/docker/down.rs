//! What `berth down` takes away, and what it leaves.

use crate::installation::Installation;

#[test]
fn down_keeps_the_mail_and_the_account_that_reads_it_and_with_volumes_nothing_is_left() {
    let Some(mail) = Installation::new() else { return };
    let proven = "proven: a mail goes through";
    // As many as a proof needs.
    let ran = mail.bring_up(&["--overlay", "sample,ferretdb", "--only", "smtp,smtp-bree,mx,imap,sqlite"]);
    assert!(ran.out.contains(proven), "{}", ran.out);
    let account = fs_err::read_to_string(mail.state("account.json")).unwrap();
    mail.done(&["down"]);
    let left = mail.left();
    assert!(left.iter().all(|left| left.starts_with("volume ")) && !left.is_empty(), "{left:?}");
    assert_eq!(mail.run(&["status"]).code, Some(1));

    let ran = mail.done(&["up", "--detach"]);
    assert!(ran.out.contains(proven), "{}", ran.out);
    assert_eq!(fs_err::read_to_string(mail.state("account.json")).unwrap(), account);

    mail.done(&["down", "--volumes", "--yes"]);
    assert_eq!(mail.left(), Vec::<String>::new());
}
