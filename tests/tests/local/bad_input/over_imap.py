"""What imap and pop3 answer to commands that no client should send."""

import random
import re

from door import Tally

IMAP = [
    b"", b" ", b"*", b"+", b"a", b"a ", b"a NONSENSE", b"a LOGIN", b"a LOGIN x", b"a SELECT", b"a SELECT nowhere", b'a SELECT "', b"a SELECT {5}", b"a SELECT {-1}", b"a SELECT {x}",
    b"a SELECT {99999999999999999999}", b"a SELECT INBOX INBOX", b"a EXAMINE", b"a CREATE", b'a CREATE ""', b"a CREATE INBOX", b"a CREATE a//b", b"a CREATE &&&&-", b"a CREATE \xff\xfe",
    b"a CREATE " + b"x" * 5000, b"a DELETE INBOX", b"a DELETE nowhere", b"a RENAME a", b"a RENAME nowhere somewhere", b"a RENAME INBOX INBOX", b"a SUBSCRIBE nowhere", b"a LIST", b'a LIST ""', b'a LIST "" ' + b"*" * 900,
    b'a LIST "(" ")"', b"a STATUS INBOX", b"a STATUS INBOX ()", b"a STATUS INBOX (NOSUCH)", b"a STATUS nowhere (MESSAGES)", b"a APPEND", b"a APPEND INBOX", b"a APPEND INBOX {0}", b"a APPEND INBOX {99999999999}",
    b'a APPEND INBOX (\\Nosuch "x" {1}', b'a APPEND INBOX "yesterday" {1}', b"a FETCH", b"a FETCH 1", b"a FETCH 0 FLAGS", b"a FETCH -1 FLAGS", b"a FETCH x FLAGS", b"a FETCH 1:x FLAGS", b"a FETCH 4294967296 FLAGS",
    b"a FETCH 1 NOSUCH", b"a FETCH 1 (FLAGS", b"a FETCH 1 BODY[", b"a FETCH 1 BODY[99.99.99]", b"a FETCH 1 BODY[]<-1.5>", b"a FETCH 1 BODY[]<0.0>", b"a FETCH 1 BODY[]<9999999999.1>", b"a FETCH 1 BODY[HEADER.FIELDS]",
    b"a FETCH 1 BODY[HEADER.FIELDS (]", b"a FETCH 1,2,,3 FLAGS", b"a FETCH " + b"1," * 5000 + b"1 FLAGS", b"a STORE", b"a STORE 1", b"a STORE 1 FLAGS", b"a STORE 1 +FLAGS (\\Seen", b"a STORE 1 NOSUCH (\\Seen)", b"a STORE 999 FLAGS (\\Seen)",
    b"a COPY", b"a COPY 1", b"a COPY 1 nowhere", b"a MOVE 1 nowhere", b"a SEARCH", b"a SEARCH NOSUCH", b"a SEARCH BEFORE yesterday", b"a SEARCH LARGER x", b"a SEARCH (", b"a SEARCH " + b"NOT " * 400 + b"ALL", b"a SEARCH " + b"(" * 400 + b"ALL" + b")" * 400,
    b"a SEARCH OR ALL", b"a SEARCH CHARSET klingon TEXT x", b"a SEARCH UID", b"a SEARCH HEADER", b"a UID", b"a UID NONSENSE", b"a UID FETCH", b"a UID FETCH 1 NOSUCH", b"a UID EXPUNGE", b"a UID EXPUNGE x", b"a EXPUNGE 1", b"a CLOSE x",
    b"a AUTHENTICATE", b"a AUTHENTICATE NOSUCH", b"a STARTTLS", b"a ENABLE", b"a ENABLE NOSUCH", b"a NAMESPACE x", b"a ID x", b'a ID ("a")', b"a GETQUOTA", b"a SETQUOTA x (", b"a NOOP x", b"a\0b NOOP", b"\xff NOOP", b"a" * 3000 + b" NOOP", b"a " + b"X" * 90_000,
]  # fmt: skip

POP3 = [
    b"", b" ", b"\0", b"\xff", b"NONSENSE", b"USER", b"USER x y", b"PASS", b"APOP x y", b"STAT x", b"LIST 0", b"LIST -1", b"LIST x", b"LIST 999", b"LIST 1 2", b"LIST 99999999999999999999", b"UIDL x", b"UIDL 999", b"UIDL 1 2", b"RETR", b"RETR 0", b"RETR x", b"RETR 999", b"RETR 1.5", b"RETR 1e1",
    b"DELE", b"DELE x", b"DELE 999", b"TOP", b"TOP 1", b"TOP 1 x", b"TOP 1 -1", b"TOP 999 1", b"TOP 1 99999999999999999999", b"STLS", b"AUTH", b"AUTH NOSUCH", b"AUTH PLAIN !!!", b"CAPA x", b"RSET x", b"NOOP x", b"XTND x", b"x" * 300, b"RETR " + b"1" * 250, b"a1 LOGIN x y", b"GET / HTTP/1.1",
]  # fmt: skip


def answered(line, tag):
    """The tagged answer, or the end of the connection; literals are declined by not sending them."""
    while True:
        text = line.line()
        if text == b"" or text.startswith(tag) or text.startswith(b"* BYE"):
            return text
        if text.startswith(b"+"):
            line.send(b"*\r\n")


def imap(door, user, seed):
    tally = Tally("commands to imap")
    chance = random.Random(seed)
    for selected in (False, True):
        for command in IMAP + [mutated(chance, IMAP) for _ in range(60)]:
            line = door.open()
            line.line()
            line.send(b'i LOGIN "%s" "%s"\r\n' % (user["address"].encode(), user["password"].encode()))
            if not answered(line, b"i ").startswith(b"i OK"):
                raise SystemExit("cannot sign in to imap")
            if selected:
                line.send(b"s SELECT INBOX\r\n")
                answered(line, b"s ")
            line.send(command + b"\r\n")
            # Whatever it made of that, one of these is answered (the first may be taken for what was still to come), or
            # the connection ends.
            line.send(b"\r\nz NOOP\r\nz NOOP\r\n" if not literal(command) else b"\r\n" * 2)
            text = line.line() if not literal(command) else b""
            while text and not text.startswith((b"z ", b"* BYE", b"nothing")):
                text = line.line()
            tally.expect(not text.startswith(b"nothing"), command, text)
            line.close()
    return tally


def literal(command):
    """It announces bytes that then do not come, so nothing has to be answered."""
    return re.search(rb"\{\d+\+?\}$", command) is not None


def pop3(door, user, seed):
    tally = Tally("commands to pop3")
    chance = random.Random(seed)
    for command in POP3 + [mutated(chance, POP3) for _ in range(60)]:
        line = door.open()
        line.line()
        line.send(b"USER %s\r\nPASS %s\r\n" % (user["address"].encode(), user["password"].encode()))
        line.line()
        if not line.line().startswith(b"+OK"):
            raise SystemExit("cannot sign in to pop3")
        line.send(command + b"\r\n")
        text = line.line()
        tally.expect(text[:3] == b"+OK" or text[:4] == b"-ERR" or text[:2] == b"+ " or text == b"", command, text)
        line.close()
    return tally


def mutated(chance, commands):
    """A command with bytes changed, never one that removes a mail for good."""
    while True:
        command = bytearray(chance.choice(commands)[:200])
        for _ in range(chance.randint(1, 5)):
            if command:
                command[chance.randrange(len(command))] = chance.choice(b" (){}[]<>\"\\%*&,:0123456789abcXYZ\x00\x01\xff")
        if b"\n" not in command and not any(verb in command.upper() for verb in (b"DELE", b"STORE", b"EXPUNGE", b"MOVE")):
            return bytes(command)
