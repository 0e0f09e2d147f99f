"""Sends mails through submission and waits until all are in the recipient's INBOX: the client of `cargo xtask bench`.

Reads one line of JSON: submissions, imaps, authority, user, password, mails, threads. Prints the seconds from the first
connection until IMAP has counted the last mail. On Python's own smtplib and imaplib, the same for every run.
"""

import imaplib
import json
import smtplib
import ssl
import sys
import threading
import time

HOST = "127.0.0.1"
GIVE_UP = 300  # seconds
PLAN = json.loads(sys.stdin.readline())
TRUST = ssl.create_default_context(cafile=PLAN["authority"])
TEXT = "This mail is one of many, and of the size that a short letter has.\r\n" * 30


class Failed(Exception):
    """A mail that was not taken, or has not come."""


def send(numbers, failures):
    try:
        with smtplib.SMTP_SSL(HOST, PLAN["submissions"], context=TRUST, timeout=60) as smtp:
            smtp.login(PLAN["user"], PLAN["password"])
            for number in numbers:
                head = f"From: {PLAN['user']}\r\nTo: {PLAN['user']}\r\nSubject: bench {number}\r\n"
                smtp.sendmail(PLAN["user"], [PLAN["user"]], f"{head}\r\n{TEXT}")
    except (OSError, smtplib.SMTPException) as error:
        failures.append(error)


def main():
    imap = imaplib.IMAP4_SSL(HOST, PLAN["imaps"], ssl_context=TRUST)
    imap.login(PLAN["user"], PLAN["password"])
    before = count(imap)
    failures = []
    begun = time.monotonic()
    shares = [range(first, PLAN["mails"], PLAN["threads"]) for first in range(PLAN["threads"])]
    threads = [threading.Thread(target=send, args=(share, failures)) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise Failed(failures[0])
    while (come := count(imap) - before) < PLAN["mails"]:
        if time.monotonic() - begun > GIVE_UP:
            raise Failed(f"{come} of {PLAN['mails']} mails have come within {GIVE_UP} s")
        time.sleep(0.1)
    print(time.monotonic() - begun)
    imap.logout()


def count(imap):
    status, data = imap.select("INBOX", readonly=True)
    if status != "OK":
        raise Failed(data)
    return int(data[0])


main()
