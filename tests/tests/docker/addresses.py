"""A client from elsewhere. Reads one line of JSON. It brings a mail to mx, and guesses a password at every role
that asks for one; then it prints, as JSON, the Received lines of what is in the mailbox."""

import http.client
import imaplib
import json
import poplib
import smtplib
import ssl
import sys
import time
from base64 import b64encode

plan = json.loads(sys.stdin.readline())
user, ports = plan["user"], plan["ports"]
# Who answers is not the question here: by their addresses the certificate knows none of them.
trust = ssl._create_unverified_context()


def refused(attempt):
    try:
        attempt()
    except (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPAuthenticationError):
        return
    raise SystemExit("a wrong password was taken")


def page(host, name, path):
    connection = http.client.HTTPSConnection(host, ports["https"], timeout=20, context=trust)
    basic = b64encode(f"{user}:wrong".encode()).decode()
    connection.request("GET", path, headers={"Host": name, "Authorization": f"Basic {basic}"})
    answer = connection.getresponse()
    assert answer.status == 401, (name, answer.status)
    connection.close()


def imap(host):
    return imaplib.IMAP4_SSL(host, ports["imap"], ssl_context=trust, timeout=20)


host = plan["host"]
mx = smtplib.SMTP(host, ports["mx"], timeout=20)
mx.sendmail("someone@outside.invalid", user, f"From: someone@outside.invalid\nTo: {user}\nSubject: {host}\n\nhello\n")
mx.quit()
smtp = smtplib.SMTP_SSL(host, ports["smtp"], context=trust, timeout=20)
refused(lambda: smtp.login(user, "wrong"))
pop3 = poplib.POP3_SSL(host, ports["pop3"], context=trust, timeout=20)
pop3.user(user)
refused(lambda: pop3.pass_("wrong"))
refused(lambda: imap(host).login(user, "wrong"))
page(host, "api.example.test", "/v1/account")
page(host, "caldav.example.test", f"/dav/{user}/")

mailbox = imap(host)
mailbox.login(user, plan["password"])
end = time.monotonic() + 60
while len(mailbox.select("INBOX") and mailbox.search(None, "ALL")[1][0].split()) < plan["mails"]:
    assert time.monotonic() < end, "the mails are not there"
    time.sleep(0.2)
_, parts = mailbox.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (RECEIVED)])")
print(json.dumps([part[1].decode() for part in parts if isinstance(part, tuple)]))
