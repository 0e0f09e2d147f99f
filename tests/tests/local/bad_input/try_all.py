"""Bad input by the hundred: sends it to every door of a service and says how many were tried. Ends with 1, and each that
was answered wrongly, if any was.

Reads one line of JSON: ports, authority, two users, the limits, a seed.
"""

import imaplib
import json
import poplib
import ssl
import sys

import mails
import over_http
import over_imap
import over_smtp
from door import HOST, PATIENCE, Door, Tally

MUTATIONS = 150


def main():
    plan = json.loads(sys.stdin.readline())
    ports, authority, user, seed = plan["ports"], plan["authority"], plan["user"], plan["seed"]
    mx, smtp = Door(ports["mx"]), Door(ports["smtp"], authority)
    imap, pop3 = Door(ports["imap"], authority), Door(ports["pop3"], authority)
    trials = [
        lambda: over_smtp.commands("commands to mx", mx),
        lambda: over_smtp.commands("commands to smtp", smtp),
        lambda: over_smtp.addresses(mx),
        lambda: over_smtp.recipients(smtp, user, plan["most_recipients"], 100_000),
        lambda: over_smtp.oversized(mx, user["address"], plan["most_bytes"]),
        lambda: over_smtp.line_ends(mx, user["address"]),
        lambda: over_smtp.starttls_injection(mx, authority),
        lambda: over_smtp.logins(smtp, 40),
        lambda: delivered(mx, ports, authority, plan["reader"], seed),
        lambda: over_imap.imap(imap, user, seed),
        lambda: over_imap.pop3(pop3, user, seed),
        *[lambda role=role: over_http.requests(role, ports[role], authority, user, seed) for role in ("api", "web", "caldav", "carddav")],
    ]
    wrong = [line for trial in trials for line in trial().tell()]
    for line in wrong:
        print(f"WRONG {line}")
    sys.exit(bool(wrong))


def delivered(mx, ports, authority, reader, seed):
    """Each mail is refused, or is there byte for byte over IMAP and POP3 and can be described and searched for."""
    tally = Tally("malformed mails")
    taken = []
    line = over_smtp.greeted(mx)
    for name, mail in [*mails.by_hand(), *mails.mutated(MUTATIONS, seed)]:
        answer = over_smtp.transfer(line, b"a@outside.invalid", reader["address"], mail)
        tally.expect(answer[:1] in b"25" and answer != b"", name, answer)
        if answer[:1] == b"2":
            taken.append((name, mail))
        else:
            line.close()
            line = over_smtp.greeted(mx)
    trust = ssl.create_default_context(cafile=authority)
    imaplib._MAXLINE = 100_000_000
    imap = imaplib.IMAP4_SSL("localhost", ports["imap"], ssl_context=trust, timeout=PATIENCE)
    imap.login(reader["address"], reader["password"])
    _, (count,) = imap.select("INBOX")
    tally.expect(int(count) == len(taken), f"{len(taken)} taken", f"{int(count)} in the mailbox")
    poplib._MAXLINE = 100_000_000
    pop3 = poplib.POP3_SSL(HOST, ports["pop3"], context=ssl._create_unverified_context(), timeout=PATIENCE)
    pop3.user(reader["address"])
    pop3.pass_(reader["password"])
    for number, (name, mail) in enumerate(taken, 1):
        _, parts = imap.fetch(str(number), "(BODY.PEEK[])")
        tally.expect(parts[0][1].endswith(mail), f"{name}, over IMAP", "other bytes")
        lines = b"".join(line + b"\r\n" for line in pop3.retr(number)[1])
        tally.expect(lines.endswith(mail), f"{name}, over POP3", "other bytes")
        for item in ("ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE", "BODY.PEEK[1]", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"):
            status, answer = imap.fetch(str(number), f"({item})")
            tally.expect(status == "OK" and answer != [None], f"{name}, {item}", str(answer))
    for criterion in ('SUBJECT "x"', 'TEXT "kernel"', 'FROM "outside"', "SENTSINCE 1-Jan-2020", 'HEADER "X-Long" "x"', "LARGER 1000"):
        status, answer = imap.search(None, criterion)
        tally.expect(status == "OK", criterion, str(answer))
    imap.logout()
    pop3.quit()
    return tally


if __name__ == "__main__":
    main()
