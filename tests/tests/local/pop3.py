"""A POP3 client that keeps each mail in a folder before it deletes it on the server, a few in each session, until
nothing is left. Says on stdout what it is about to do. `send` puts mails into the mailbox."""

import json
import os
import poplib
import smtplib
import ssl
import sys
import time

plan = json.loads(sys.stdin.readline())
trusted = ssl.create_default_context(cafile=plan["authority"])


def send():
    with smtplib.SMTP("localhost", plan["mx"]) as mx:
        mx.starttls(context=trusted)
        for number in range(plan["mails"]):
            mail = f"Subject: mail {number}\r\n\r\n" + ".a line\r\n" * 200 + f"end of mail {number}\r\n"
            mx.sendmail("someone@outside.invalid", [plan["user"]], mail)


def session():
    pop = poplib.POP3_SSL("localhost", plan["pop3"], context=trusted, timeout=20)
    try:
        pop.user(plan["user"])
        pop.pass_(plan["password"])
        entries = [entry.decode().split() for entry in pop.uidl()[1]]
        for number, unique in entries[: plan["at_once"]]:
            path = os.path.join(plan["folder"], unique)
            if not os.path.exists(path):
                with open(path + ".part", "wb") as file:
                    file.write(b"\n".join(pop.retr(int(number))[1]))
                os.rename(path + ".part", path)
            print("delete", flush=True)
            pop.dele(int(number))
        print("quit", flush=True)
        pop.quit()
        return len(entries)
    finally:
        pop.close()


def fetch():
    last = None
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            if session() == 0:
                print("empty", flush=True)
                return
        except (OSError, EOFError, poplib.error_proto) as error:
            last = error
            time.sleep(0.1)
    sys.exit(f"not all was fetched: {last}")


{"send": send, "fetch": fetch}[sys.argv[1]]()
