"""What mx and smtp answer to commands, addresses and amounts that no client should send."""

import base64
import ssl

from door import Tally

COMMANDS = [
    b"", b" ", b"\t", b"\0", b"\xff\xfe", b"NONSENSE", b"MAIL", b"MAIL FROM", b"MAIL FROM:", b"MAIL FROM:<", b"MAIL FROM:>",
    b"MAIL FROM:<a@b", b"MAIL FROM:a@b>", b"MAIL FROM:<a@b> SIZE=-1", b"MAIL FROM:<a@b> SIZE=x", b"MAIL FROM:<a@b> NOSUCH=1",
    b"MAIL FROM:<a@b> SIZE=99999999999999999999", b"MAIL FROM:<a@b> BODY=9BIT", b"MAIL TO:<a@b>", b"RCPT", b"RCPT TO",
    b"RCPT TO:<x@example.test>", b"RCPT FROM:<a@b>", b"DATA", b"DATA now", b"BDAT 10", b"BDAT 10 LAST", b"EHLO", b"HELO", b"EHLO " + b"x" * 9000,
    b"EHLO \xff\xff", b"EHLO a b c", b"AUTH", b"AUTH PLAIN", b"AUTH PLAIN !!!", b"AUTH PLAIN " + b"A" * 90_000, b"AUTH LOGIN", b"AUTH NTLM",
    b"AUTH PLAIN AAAA", b"AUTH PLAIN =", b"VRFY root", b"EXPN all", b"TURN", b"ETRN x", b"SEND FROM:<a@b>", b"SAML FROM:<a@b>", b"HELP", b"STARTTLS now",
    b"XCLIENT ADDR=1.2.3.4", b"XFORWARD ADDR=1.2.3.4", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"HOST x", b"RSET x", b"NOOP " + b"x" * 5000, b"QUIT x y",
    b"x" * 100_000, b"MAIL FROM:<" + b"a" * 100_000 + b"@b>", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-x", b"a1 LOGIN x y",
]

ADDRESSES = [
    b"", b"<>", b"@", b"a", b"@b", b"a@", b"a@@b", b"a@b@c", b"a b@c", b"a@b c", b"<a@b>", b'"', b'"a', b'"a"', b'"@b', b"a\"b@c", b"(a)@b", b"a@(b)", b"a@[", b"a@[]",
    b"a@[1.2.3]", b"a@[1.2.3.4", b"a@[999.1.1.1]", b"a@[IPv6:]", b"a@[IPv6:zz]", b"a@-b.test", b"a@b-.test", b"a@.b", b"a@b.", b"a@b..c", b".a@b", b"a.@b", b"a..b@c",
    b"\xff@b", b"a@\xff", b"a\0@b", b"a@b\0", b"a\t@b", b"a,b@c", b"a;b@c", b"a:b@c", b"@a,@b:c@d", b"@a:b", b"a%b@c", b"a!b", b"a!b@c", b"root", b"postmaster", b"postmaster@",
    b"a" * 65 + b"@example.test", b"a" * 1000 + b"@example.test", b"a@" + b"b" * 256, b"a@" + b"b." * 500, b"../../etc/passwd@example.test", b"|sh@example.test", b"/dev/null@example.test",
    b"$(id)@example.test", b"`id`@example.test", b"'; DROP TABLE accounts; --@example.test", b"\" OR 1=1 --\"@example.test", b"%00@example.test", b"*@example.test", b"_@example.test", b"%@example.test",
    b"nobody@example.test", b"bob@EXAMPLE.test.", b"bob@example.test.invalid", b"bob@sub.example.test", b"bob+tag@example.test", b"bob @example.test", b"b\xc3\xb6b@example.test", b"bob@ex\xc3\xa4mple.test", b"bob@xn--.test",
]


def reply(line):
    """The last line of a reply, and whether all of it was one (RFC 5321 4.2)."""
    while True:
        text = line.line()
        if text[3:4] != b"-" or not text[:3].isdigit():
            well = text == b"" or (text[:3].isdigit() and text[:1] in b"2345" and text[3:4] in b" \r")
            return text, well


def greeted(door):
    line = door.open()
    reply(line)
    line.send(b"EHLO bad.invalid\r\n")
    reply(line)
    return line


def commands(what, door):
    """Each has to be answered by a reply or, where it is beyond reason, by the end of the connection."""
    tally = Tally(what)
    for command in COMMANDS:
        line = greeted(door)
        line.send(command + b"\r\n")
        line.send(b"NOOP\r\n")
        text, well = reply(line)
        tally.expect(well and text[:3] not in (b"250", b"354", b"235") or text[:3] == b"250" and harmless(command), command, text)
        line.close()
    return tally


def harmless(command):
    verb = command.split(b" ")[0].upper()
    return verb in (b"NOOP", b"RSET", b"EHLO", b"HELO", b"HELP", b"MAIL", b"XCLIENT") or len(command) > 50_000


def addresses(door):
    """mx takes none of them, and says so at once."""
    tally = Tally("addresses to mx")
    for address in ADDRESSES:
        line = greeted(door)
        line.send(b"MAIL FROM:<a@outside.invalid>\r\nRCPT TO:<" + address + b">\r\n")
        first, _ = reply(line)
        text, well = reply(line)
        tally.expect(first[:1] == b"2" and well and text[:1] in (b"5", b""), address, text)
        line.close()
    for address in ADDRESSES[1:]:
        line = greeted(door)
        line.send(b"MAIL FROM:<" + address + b">\r\n")
        text, well = reply(line)
        tally.expect(well and text[:1] in (b"2", b"5", b""), b"from " + address, text)
        line.close()
    return tally


def recipients(door, user, most, count):
    """The first `most` are taken, all others deferred, and the service goes on."""
    tally = Tally("recipients of one mail")
    line = greeted(door)
    word = base64.b64encode(f"\0{user['address']}\0{user['password']}".encode())
    line.send(b"AUTH PLAIN " + word + b"\r\n")
    reply(line)
    line.send(b"MAIL FROM:<%s>\r\n" % user["address"].encode())
    reply(line)
    taken = 0
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        line.send(b"".join(b"RCPT TO:<x%d@elsewhere.invalid>\r\n" % number for number in numbers))
        for _ in numbers:
            text, well = reply(line)
            taken += text[:1] == b"2"
            tally.expect(well and text[:1] in (b"2", b"4", b"5"), "one more", text)
            if text == b"":
                return tally
    tally.expect(taken == most, f"{count} recipients", f"{taken} taken")
    line.close()
    return tally


def transfer(line, sender, to, mail):
    """The answer to a whole mail."""
    for command in (b"MAIL FROM:<%s>\r\n" % sender, b"RCPT TO:<%s>\r\n" % to.encode(), b"DATA\r\n"):
        line.send(command)
        text, _ = reply(line)
        if text[:1] not in b"23":
            return text
    line.send(mail.replace(b"\r\n.", b"\r\n..") if not mail.startswith(b".") else b"." + mail.replace(b"\r\n.", b"\r\n.."))
    line.send(b".\r\n")
    return reply(line)[0]


def oversized(door, to, limit):
    """Refused when it is announced, and when it is not; the service goes on."""
    tally = Tally("mails beyond the size limit")
    line = greeted(door)
    line.send(b"MAIL FROM:<a@outside.invalid> SIZE=%d\r\n" % (limit + 1))
    text, _ = reply(line)
    tally.expect(text[:3] == b"552", "announced", text)
    line.close()
    line = greeted(door)
    block = b"Subject: too big\r\n\r\n" + b"z" * 998 + b"\r\n"
    text = transfer(line, b"a@outside.invalid", to, block * (limit // 1000 + 100))
    tally.expect(text[:3] in (b"552", b""), "not announced", text)
    line.close()
    return tally


def line_ends(door, to):
    """No mail may be smuggled behind an end of data that only some servers take for one (CVE-2023-51764 and its like)."""
    tally = Tally("line ends of DATA")
    for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\n\n.\r\n"):
        line = greeted(door)
        for command in (b"MAIL FROM:<a@outside.invalid>\r\n", b"RCPT TO:<%s>\r\n" % to.encode(), b"DATA\r\n"):
            line.send(command)
            reply(line)
        inner = b"MAIL FROM:<smuggled@outside.invalid>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n" % to.encode()
        line.send(b"Subject: outer %s\r\n\r\nx" % repr(end).encode() + end + inner)
        text, well = reply(line)
        line.send(b"QUIT\r\n")
        # One mail, one answer: the next is that to QUIT.
        after, _ = reply(line)
        tally.expect(well and (text == b"" or after[:3] in (b"221", b"")), end, text + after)
        line.close()
    return tally


def starttls_injection(door, authority):
    """What came in plain text behind STARTTLS is not taken for a command over TLS (CVE-2011-0411)."""
    tally = Tally("commands behind STARTTLS")
    for command in (b"MAIL FROM:<a@outside.invalid>", b"NOOP", b"RSET", b"QUIT"):
        line = greeted(door)
        line.send(b"STARTTLS\r\n" + command + b"\r\n")
        text, _ = reply(line)
        answered = b""
        try:
            trust = ssl.create_default_context(cafile=authority)
            stream = trust.wrap_socket(line.stream, server_hostname="localhost")
            stream.settimeout(1)
            answered = stream.recv(100)
        except (OSError, ssl.SSLError):
            pass
        tally.expect(text[:3] in (b"220", b"") and answered == b"", command, answered)
        line.close()
    return tally


def logins(door, count):
    tally = Tally("logins to smtp")
    for number in range(count):
        line = greeted(door)
        word = base64.b64encode(b"\0x%d@example.test\0" % number + b"p" * (number * 37 % 3000))
        line.send(b"AUTH PLAIN " + word + b"\r\n")
        text, well = reply(line)
        tally.expect(well and text[:1] in (b"4", b"5", b""), word, text)
        line.close()
    return tally
