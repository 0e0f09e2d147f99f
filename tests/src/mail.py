"""The clients of the tests under load, on Python's own smtplib and imaplib.

`send` sends mails over both doors from several threads until its stdin ends, each again until it was taken, and prints
a line per answer. `read` waits until nothing is queued (where the queue is a file) and all that was accepted is there,
and prints what an INBOX holds. Both read one line of JSON first.
"""

import email
import hashlib
import imaplib
import json
import os
import random
import smtplib
import sqlite3
import ssl
import sys
import threading
import time

HOST = "127.0.0.1"
GIVE_UP = 150  # seconds after the end of stdin; the queue tries our own domain again after at most 60, a lease is 30


def body(name, size):
    line = hashlib.sha256(name.encode()).hexdigest()
    return "".join(f"{number} {line}\n" for number in range(size // 70))


def answer(code):
    return "accepted" if code == 250 else "deferred" if code < 500 else "refused"


class Connection:
    """A connection that is good for so many mails."""

    def __init__(self, door, mails):
        self.door = door
        self.mails = mails
        self.smtp = None
        self.left = 0

    def open(self):
        if self.left == 0:
            self.close()
            self.smtp, self.sender = self.door()
            self.left = self.mails
        self.left -= 1
        return self.smtp, self.sender

    def done(self):
        """Takes leave once it has had all its mails."""
        if self.left == 0:
            try:
                self.smtp.quit()
            except OSError:
                pass  # its last mail was answered
            self.close()

    def close(self):
        if self.smtp:
            self.smtp.close()
        self.smtp = None
        self.left = 0


class Sender:
    def __init__(self, plan):
        self.plan = plan
        self.trust = ssl.create_default_context(cafile=plan["authority"])
        self.over = threading.Event()
        self.saying = threading.Lock()

    def submission(self):
        smtp = smtplib.SMTP_SSL(HOST, self.plan["smtp"], context=self.trust, timeout=20)
        time.sleep(self.plan["away"])
        smtp.login(self.plan["from"], self.plan["password"])
        return smtp, self.plan["from"]

    def mx(self):
        smtp = smtplib.SMTP(HOST, self.plan["mx"], timeout=20)
        smtp.starttls(context=self.trust)
        smtp.ehlo()
        return smtp, "someone@outside.invalid"

    def attempt(self, connection, name):
        """What came of it: an answer, `absent` when there was none before the mail was sent, else `unanswered`."""
        sent = False
        try:
            smtp, sender = connection.open()
            for command, words in ((smtp.mail, sender), (smtp.rcpt, self.plan["to"])):
                time.sleep(self.plan["away"])
                code, _ = command(words)
                if code != 250:
                    connection.close()
                    return answer(code), code
            time.sleep(self.plan["away"])
            sent = True
            text = f"From: {sender}\nTo: {self.plan['to']}\nSubject: {name}\nMessage-ID: <{name}@load.invalid>\n\n"
            code, _ = smtp.data(text + body(name, self.plan["size"]))
            connection.done()
            return answer(code), code
        except smtplib.SMTPResponseException as error:
            connection.close()
            return answer(error.smtp_code), error.smtp_code
        except OSError as error:
            connection.close()
            return ("unanswered" if sent else "absent"), type(error).__name__

    def work(self, door, number):
        connection = Connection(door, self.plan["each"])
        end = None
        count = 0
        while not self.over.is_set():
            count += 1
            name = f"{door.__name__}-{number}-{count}"
            outcome = None
            while outcome not in ("accepted", "refused"):
                outcome, detail = self.attempt(connection, name)
                with self.saying:
                    print(name, outcome, detail, flush=True)
                if self.over.is_set():
                    end = end or time.monotonic() + GIVE_UP
                    if time.monotonic() > end:
                        return
                time.sleep(random.uniform(0, 2 * self.plan["pause"]))  # so that threads do not keep step
        connection.close()

    def run(self):
        doors = [self.submission, self.mx] * self.plan["threads"]
        threads = [threading.Thread(target=self.work, args=each) for each in zip(doors, range(len(doors)))]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self.over.set()
        for thread in threads:
            thread.join()


def wait_for_queue(path, end):
    queue = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    while left := queue.execute("SELECT count(*) FROM recipients").fetchone()[0]:
        if time.monotonic() > end:
            sys.exit(f"still queued: {left}")
        time.sleep(0.1)


def read(plan):
    end = time.monotonic() + GIVE_UP
    if plan["queue"] and os.path.exists(plan["queue"]):
        wait_for_queue(plan["queue"], end)
    mails = inbox(plan)
    while not set(plan["accepted"]) <= {name for name, _ in mails} and time.monotonic() < end:
        time.sleep(0.5)
        mails = inbox(plan)
    for name, whole in mails:
        print(name, "whole" if whole else "damaged")


def inbox(plan):
    mails = []
    imap = imaplib.IMAP4_SSL(HOST, plan["imap"], ssl_context=ssl.create_default_context(cafile=plan["authority"]))
    imap.login(plan["user"], plan["password"])
    imap.select("INBOX", readonly=True)
    _, fetched = imap.uid("FETCH", "1:*", "(BODY.PEEK[])")
    for part in fetched:
        if isinstance(part, tuple):
            mail = email.message_from_bytes(part[1])
            name = mail["Subject"]
            whole = mail.get_payload().replace("\r\n", "\n") == body(name, plan["size"])
            mails.append((name, whole))
    imap.logout()
    return mails


plan = json.loads(sys.stdin.readline())
Sender(plan).run() if sys.argv[1] == "send" else read(plan)
