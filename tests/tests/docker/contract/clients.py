"""Clients that stay: one of each role that has a port, signed in if there is a user. Reads one line of JSON, says `here` when
all are connected, and goes when its stdin ends."""

import imaplib
import json
import poplib
import smtplib
import socket
import ssl
import sys

HOST = "127.0.0.1"
plan = json.loads(sys.stdin.readline())
trust = ssl.create_default_context(cafile=plan["authority"])


def page(name):
    """A connection to the front that is kept open after an answer."""
    context = ssl.create_default_context(cafile=plan["authority"])
    pipe = context.wrap_socket(socket.create_connection((HOST, plan["https"])), server_hostname=name)
    pipe.sendall(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert pipe.recv(9) == b"HTTP/1.1 ", name
    return pipe


imap = imaplib.IMAP4_SSL(HOST, plan["imap"], ssl_context=trust)
pop3 = poplib.POP3_SSL(HOST, plan["pop3"], context=trust)
smtp = smtplib.SMTP_SSL(HOST, plan["smtp"], context=trust)
if plan["user"]:
    user, password = plan["user"]
    imap.login(user, password)
    imap.select("INBOX")
    imap.send(imap._new_tag() + b" IDLE\r\n")
    pop3.user(user)
    pop3.pass_(password)
    smtp.login(user, password)
mx = smtplib.SMTP(HOST, plan["mx"])
mx.starttls(context=trust)
mx.ehlo()
mx.mail("someone@outside.invalid")
pages = [page(name + plan["domain"]) for name in ("", "api.", "caldav.", "carddav.")]
print("here", flush=True)
sys.stdin.read()
