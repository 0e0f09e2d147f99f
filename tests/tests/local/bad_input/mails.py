"""Mails that a server has to take, or refuse, and in no case may stumble over. Each ends with CRLF and has a name."""

import base64
import random

HEAD = b"From: a@outside.invalid\r\nTo: b@example.test\r\nSubject: %s\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n"
MIME = b"MIME-Version: 1.0\r\n"


def head(name):
    return HEAD % name.encode()


def nested(depth, name):
    """Multiparts in multiparts."""
    mail = head(name) + MIME
    for level in range(depth):
        mail += b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
    mail += b"Content-Type: text/plain\r\n\r\nthe kernel\r\n"
    return mail + b"".join(b"--b%d--\r\n" % level for level in reversed(range(depth)))


def in_each_other(depth, name):
    """Mails in mails."""
    mail = head(name) + MIME
    for level in range(depth):
        mail += b"Content-Type: message/rfc822\r\n\r\nSubject: level %d\r\nMIME-Version: 1.0\r\n" % level
    return mail + b"\r\nthe kernel\r\n"


def parts(count, name):
    mail = head(name) + MIME + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return mail + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n"


def with_header(name, *lines, body=b"a body\r\n"):
    return head(name) + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def with_type(name, value, body=b"a body\r\n"):
    return with_header(name, b"MIME-Version: 1.0", b"Content-Type: " + value, body=body)


def by_hand():
    yield "empty", b"\r\n"
    yield "no header", b"\r\njust a body\r\n"
    yield "no body", head("no body")
    yield "no empty line", head("no empty line")[:-2] + b"\r\n"
    yield "header without colon", with_header("header without colon", b"this is no header")
    yield "header without name", with_header("header without name", b": nobody")
    yield "begins with a fold", b" folded from nowhere\r\n" + head("begins with a fold") + b"\r\nx\r\n"
    yield "8-bit header", with_header("8-bit header", b"X-Name: Gr\xfc\xdfe \xff\xfe\x80")
    yield "8-bit subject", b"Subject: \xe4\xf6\xfc \xf0\x28\x8c\x28\r\n\r\nx\r\n"
    yield "8-bit sender", b"From: J\xf6rg <j\xf6rg@b\xfccher.invalid>\r\nSubject: 8-bit sender\r\n\r\nx\r\n"
    odd = "\u010a* BYE\u010d\u010a\u0122 (\u0129".encode()  # whose low bytes end a line, a string and a list
    yield "letters beyond 255", with_header("letters beyond 255", b"Subject: " + odd, b"Date: " + odd, b"Message-ID: <" + odd + b">")
    yield "zero bytes", with_header("zero bytes", b"X-Zero: a\0b", body=b"a\0b\0\r\n")
    yield "control characters", with_header("control characters", b"X-C: " + bytes(range(1, 9)), body=bytes(range(14, 32)) + b"\r\n")
    yield "header of 1 MB", with_header("header of 1 MB", b"X-Long: " + b"x" * 1_000_000)
    yield "10,000 headers", with_header("10,000 headers", *[b"X-%d: y" % number for number in range(10_000)])
    yield "1,000 folds", with_header("1,000 folds", b"X-Folded: a" + b"\r\n b" * 1000)
    yield "line of 5 MB", with_header("line of 5 MB", body=b"y" * 5_000_000 + b"\r\n")
    yield "three From", with_header("three From", b"From: b@b.invalid", b"From: c@c.invalid")
    yield "two Content-Type", with_header("two Content-Type", b"Content-Type: text/plain", b"Content-Type: multipart/mixed")
    yield "date of nonsense", b"From: a@b.invalid\r\nSubject: date\r\nDate: the day before yesterday\r\n\r\nx\r\n"
    yield "date of the year 99999", b"From: a@b.invalid\r\nSubject: date\r\nDate: 1 Jan 99999 00:00:00 +9999\r\n\r\nx\r\n"
    yield "addresses of nonsense", b"From: <<>>,,;:@@\r\nTo: (((\r\nCc: \"\r\nSubject: addresses\r\n\r\nx\r\n"
    yield "5,000 addresses", b"From: a@b.invalid\r\nTo: " + b",\r\n ".join(b"x%d@y.invalid" % n for n in range(5000)) + b"\r\n\r\nx\r\n"
    yield "group of groups", b"From: a@b.invalid\r\nTo: a: b: c: d@e.invalid;;;\r\nSubject: group\r\n\r\nx\r\n"
    yield "encoded words of nonsense", b"Subject: =?utf-8?B?!!!!?= =?nowhere?Q?=ZZ?= =?utf-8?X?a?= =?\r\nFrom: a@b.invalid\r\n\r\nx\r\n"
    yield "1,000 encoded words", b"Subject: " + b"\r\n ".join([b"=?utf-8?Q?=C3=A4?="] * 1000) + b"\r\nFrom: a@b.invalid\r\n\r\nx\r\n"
    yield "half a character in words", b"Subject: =?utf-8?Q?=C3?= =?utf-8?Q?=A4?=\r\nFrom: a@b.invalid\r\n\r\nx\r\n"
    yield "Message-ID of nonsense", with_header("Message-ID of nonsense", b"Message-ID: <<<>", b"References: " + b"<" * 5000)
    yield "type of nonsense", with_type("type of nonsense", b";;;=/=;\"")
    yield "type without end", with_type("type without end", b'text/plain; charset="utf-8')
    yield "unknown charset", with_type("unknown charset", b"text/plain; charset=klingon-1", b"\xe4\xf6\r\n")
    yield "utf-16 for ascii", with_type("utf-16 for ascii", b"text/plain; charset=utf-16", b"odd\r\n")
    yield "utf-7", with_type("utf-7", b"text/html; charset=utf-7", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-\r\n")
    yield "multipart without boundary", with_type("multipart without boundary", b"multipart/mixed", b"--\r\n--\r\n")
    yield "multipart of nothing", with_type("multipart of nothing", b"multipart/mixed; boundary=b", b"")
    yield "multipart without end", with_type("multipart without end", b"multipart/mixed; boundary=b", b"--b\r\n\r\nx\r\n")
    yield "boundary of 5,000", with_type("boundary of 5,000", b"multipart/mixed; boundary=" + b"b" * 5000, b"--bb\r\n")
    yield "boundary of signs", with_type("boundary of signs", b'multipart/mixed; boundary=".*+?[("', b"--.*+?[(\r\n\r\nx\r\n--.*+?[(--\r\n")
    yield "boundary in itself", with_type("boundary in itself", b"multipart/mixed; boundary=b", b'--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n')
    yield "base64 of nonsense", with_header("base64 of nonsense", b"Content-Transfer-Encoding: base64", body=b"!!!?=\xff\r\n")
    yield "base64 in one line", with_header("base64 in one line", b"Content-Transfer-Encoding: base64", body=base64.b64encode(bytes(300_000)) + b"\r\n")
    yield "quoted-printable of nonsense", with_header("quoted-printable of nonsense", b"Content-Transfer-Encoding: quoted-printable", body=b"=ZZ=\r\n=\xff=4\r\n")
    yield "uuencode", with_header("uuencode", b"Content-Transfer-Encoding: x-uuencode", body=b"begin 644 ../../etc/passwd\r\n#0V%T\r\n`\r\nend\r\n")
    yield "unknown encoding", with_header("unknown encoding", b"Content-Transfer-Encoding: morse", body=b"... ---\r\n")
    yield "file name of nonsense", with_header("file name of nonsense", b'Content-Disposition: attachment; filename="../../etc/passwd\0\r\n X-Header: no"')
    yield "file name in 300 pieces", with_header("file name in 300 pieces", b"Content-Disposition: attachment" + b"".join(b";\r\n filename*%d*=utf-8''%%41" % n for n in range(300)))
    yield "winmail.dat", with_type("winmail.dat", b"application/ms-tnef; name=winmail.dat", b"\x78\x9f\x3e\x22 not really\r\n")
    yield "partial", with_type("partial", b"message/partial; number=1; total=9999999; id=x")
    yield "external body", with_type("external body", b'message/external-body; access-type=local-file; name="/etc/passwd"', b"Content-Type: text/plain\r\n\r\n")
    yield "delivery status of nonsense", with_type("delivery status of nonsense", b"multipart/report; report-type=delivery-status; boundary=b", b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: explode\r\n\r\n\r\n--b--\r\n")
    yield "HTML that is not closed", with_type("HTML that is not closed", b"text/html", b"<div>" * 20_000 + b"\r\n")
    yield "HTML of entities", with_type("HTML of entities", b"text/html", b"&#xFFFFFFFF;&#0;&nosuch;" * 1000 + b"\r\n")
    yield "dots", with_header("dots", body=b".\r\n..\r\n...\r\n.x\r\n")
    yield "trailing blanks", with_header("trailing blanks", body=b"x \t \r\n \t\r\n\r\n\r\n")
    yield "trace of another's", b"Return-Path: <>\r\nDelivered-To: root\r\nAuthentication-Results: example.test; dkim=pass\r\n" + head("trace") + b"\r\nx\r\n"
    yield "DKIM of nonsense", with_header("DKIM of nonsense", b"DKIM-Signature: v=9; a=none; d=; s=; h=; bh=" + b"A" * 9000 + b"; b=")
    yield "100 DKIM signatures", with_header("100 DKIM signatures", *[b"DKIM-Signature: v=1; a=rsa-sha256; d=x%d.invalid; s=s; h=from; bh=AA==; b=AA==" % n for n in range(100)])
    yield "500 Received", b"".join(b"Received: from x by y; Mon, 01 Jan 2024 00:00:00 +0000\r\n" for _ in range(500)) + head("500 Received") + b"\r\nx\r\n"
    for depth in (10, 100, 1000, 5000):
        yield f"multiparts, {depth} deep", nested(depth, f"multiparts, {depth} deep")
        yield f"mails, {depth} deep", in_each_other(depth, f"mails, {depth} deep")
    for count in (1000, 20_000):
        yield f"{count} parts", parts(count, f"{count} parts")


SEEDS = [
    nested(3, "seed"),
    in_each_other(3, "seed"),
    with_header("seed", b"Content-Disposition: attachment; filename*=utf-8''%e4", b"Content-Transfer-Encoding: base64", body=b"eA==\r\n"),
    with_type("seed", b'multipart/alternative; boundary="b"', b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\n<b>x</b>\r\n--b--\r\n"),
]


def mutated(count, seed):
    """Well-formed mails with bytes changed, cut out and doubled."""
    chance = random.Random(seed)
    for number in range(count):
        mail = bytearray(chance.choice(SEEDS))
        for _ in range(chance.randint(1, 8)):
            at, length = chance.randrange(len(mail)), chance.randint(1, 30)
            piece = bytes(mail[at : at + length])
            how = chance.randrange(3)
            mail[at : at + length] = b"" if how == 0 else piece * 2 if how == 1 else chance.randbytes(len(piece))
        # Bare CR and LF are a matter of SMTP and not of mails.
        text = bytes(mail).replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
        yield f"mutation {number}", text + b"\r\n"
