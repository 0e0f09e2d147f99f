"""What api, web, caldav and carddav answer to requests that no client should send: never 5xx but 501 and 507."""

import base64
import http.client
import random
import ssl
import urllib.parse

from door import HOST, PATIENCE, Tally

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PROPPATCH", "REPORT", "MKCOL", "MKCALENDAR", "COPY", "MOVE", "LOCK", "SEARCH"]
PATHS = [
    "/", "//", "/%", "/%00", "/%ff", "/..", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/" + "a" * 6000, "/a/" * 200, "/?" + "q=" * 2000, "/*", "/nowhere", "/v1", "/v1/messages/INBOX/x", "/v1/messages/INBOX/-1", "/v1/messages/INBOX/99999999999999999999",
    "/v1/messages?page=-1", "/v1/messages?page=x", "/v1/messages?folder=%00", "/v1/messages?q=%ff", "/v1/mailboxes/..", "/mail", "/mail/nowhere", "/mail/INBOX/0", "/mail/INBOX/x", "/mail/INBOX?page=1e9", "/compose?reply=x", "/sign-in?next=//evil.invalid", "/sign-out", "/dav", "/dav/",
    "/dav/nobody@example.test/", "/dav/%2e%2e/", "/.well-known/", "/.well-known/caldav/x", "/.git/config", "/.env", "/admin.js",
]  # fmt: skip
XML = [
    b"", b"<", b"<a", b"<a></b>", b"\0", b"\xff\xfe<\0a\0>\0", b"<?xml version='9.9'?><a/>", b"<?xml version='1.0' encoding='klingon'?><a/>", b"<a>" * 20_000, b"<a xmlns='DAV:'/>", b"<propfind/>", b"<D:propfind xmlns:D='DAV:'/>",
    b"<D:propfind xmlns:D='DAV:'><D:prop>" + b"<D:x/>" * 5000 + b"</D:prop></D:propfind>", b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
    b"<!DOCTYPE a [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b"]><a>&j;</a>", b"<D:sync-collection xmlns:D='DAV:'><D:sync-token>x</D:sync-token></D:sync-collection>", b"<D:sync-collection xmlns:D='DAV:'><D:sync-token>data:,999999999999999999999</D:sync-token><D:sync-level>infinite</D:sync-level><D:prop/></D:sync-collection>",
    b"<C:calendar-query xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:D='DAV:'><D:prop/><C:filter><C:comp-filter name='VCALENDAR'><C:comp-filter name='VEVENT'><C:time-range start='x' end='y'/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>",
    b"<C:calendar-query xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:D='DAV:'><D:prop/><C:filter/></C:calendar-query>", b"<C:calendar-multiget xmlns:C='urn:ietf:params:xml:ns:caldav' xmlns:D='DAV:'><D:prop/><D:href>/../../etc/passwd</D:href><D:href>%ff</D:href></C:calendar-multiget>",
    b"<C:addressbook-query xmlns:C='urn:ietf:params:xml:ns:carddav' xmlns:D='DAV:'><C:filter test='maybe'><C:prop-filter name='X'><C:text-match collation='klingon'>x</C:text-match></C:prop-filter></C:filter></C:addressbook-query>",
]  # fmt: skip
EVENT = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20240101T000000Z\r\nDTSTART:%s\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n"
ITEMS = [
    b"", b"x", b"\0\xff", b"BEGIN:VCALENDAR", b"BEGIN:VCALENDAR\r\nEND:VCARD\r\n", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", EVENT % (b"yesterday", b""), EVENT % (b"99999999T999999Z", b""), EVENT % (b"20240101T000000Z", b"RRULE:FREQ=NEVER\r\n"), EVENT % (b"20240101T000000Z", b"RRULE:FREQ=SECONDLY;INTERVAL=0\r\n"),
    EVENT % (b"20240101T000000Z", b"RRULE:" + b"x" * 50_000 + b"\r\n"), EVENT % (b"20240101T000000Z", b"DURATION:forever\r\n"), EVENT % (b"20240101T000000Z", b"BEGIN:VALARM\r\n"), b"BEGIN:VCARD\r\nVERSION:9.0\r\nEND:VCARD\r\n", b"BEGIN:VCARD\r\nEND:VCARD\r\n", b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN\r\nEND:VCARD\r\n", b"BEGIN:VCARD\r\n" * 500,
]  # fmt: skip
JSON = [
    b"", b"{", b"[]", b"null", b"1", b'"x"', b'{"to": 1}', b'{"to": []}', b'{"to": [null]}', b'{"to": ["x"]}', b'{"to": ["@"], "subject": {}}', b'{"to": ["b@example.test"], "text": 5}', b'{"to": ["b@example.test\\r\\nBcc: c@d.invalid"], "text": "x"}', b'{"to": ["b@example.test"], "subject": "a\\r\\nBcc: c@d.invalid", "attachments": 1}',
    b'{"to": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", b"{" + b'"a": 1,' * 10_000 + b'"b": 2}', b"\xff\xfe", b'{"__proto__": {"x": 1}, "constructor": {}}', b'{"flags": ["\\\\Nosuch\\u0000"]}', b'{"path": "../../x"}', b'{"path": ""}', b'{"path": "' + b"x" * 5000 + b'"}',
]  # fmt: skip
FORMS = [b"", b"=", b"&&&", b"%", b"%ff=%ff", b"address", b"address=&password=", b"address=x&address=y", b"to=x&subject=" + b"y" * 100_000, b"to=a%0d%0aBcc:b&text=x", b"--b\r\n", b"uid=x&action=explode"]


class Asked:
    def __init__(self, port, authority):
        self.port = port
        self.trust = ssl.create_default_context(cafile=authority)

    def cookie(self, user):
        """That of a person who has signed in to the web."""
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=PATIENCE, context=self.trust)
        form = urllib.parse.urlencode(user)
        kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://{HOST}:{self.port}"}
        connection.request("POST", "/sign-in", body=form, headers=kind)
        answer = connection.getresponse()
        connection.close()
        if answer.status != 303:
            raise SystemExit(f"cannot sign in to web: {answer.status}")
        return answer.headers["Set-Cookie"].split(";")[0]

    def status(self, method, path, headers, body=None):
        connection = http.client.HTTPSConnection(HOST, self.port, timeout=PATIENCE, context=self.trust)
        connection._validate_path = lambda path: None  # what no client should send
        try:
            connection.request(method, path, body=body, headers=headers)
            return connection.getresponse().status
        except (ConnectionError, http.client.BadStatusLine):
            return 0  # turned away without a word
        finally:
            connection.close()


def requests(role, port, authority, user, seed):
    """Each of the paths by each of the methods, and the bodies that role takes, with and without a login."""
    tally = Tally(f"requests to {role}")
    asked = Asked(port, authority)
    word = base64.b64encode(f"{user['address']}:{user['password']}".encode()).decode()
    login = {"Authorization": f"Basic {word}"}

    def expect(method, path, headers, body=None):
        status = asked.status(method, path, headers, body)
        tally.expect(status == 0 or 200 <= status < 500 or status in (501, 507), f"{method} {path} {body!r}", str(status))

    for path in PATHS:
        for method in METHODS:
            expect(method, path, {})
        expect("GET", path, login)
    for header in ("Basic", "Basic !!!", "Basic " + "A" * 5000, "Bearer x", "Digest x", "Basic Og==", "\xff"):
        expect("GET", "/v1/account" if role == "api" else "/", {"Authorization": header})
    chance = random.Random(seed)
    home = f"/dav/{user['address']}/{'calendar' if role == 'caldav' else 'contacts'}/"
    if role in ("caldav", "carddav"):
        for body in XML + [mutated(chance, XML) for _ in range(40)]:
            for method in ("PROPFIND", "REPORT", "PROPPATCH"):
                depth = chance.choice(("0", "1", "infinity", "x"))
                expect(method, home, {**login, "Depth": depth, "Content-Type": "text/xml"}, body)
        for body in ITEMS + [mutated(chance, ITEMS) for _ in range(40)]:
            kind = "text/calendar" if role == "caldav" else "text/vcard"
            expect("PUT", home + "bad.item", {**login, "Content-Type": kind, "If-Match": '"x"'}, body)
            expect("PUT", home + "new.item", {**login, "Content-Type": kind, "If-None-Match": "x"}, body)
    if role == "api":
        for body in JSON + [mutated(chance, JSON) for _ in range(40)]:
            for method, path in (("POST", "/v1/messages"), ("POST", "/v1/mailboxes"), ("PUT", "/v1/messages/INBOX/1")):
                expect(method, path, {**login, "Content-Type": "application/json"}, body)
    if role == "web":
        signed_in = asked.cookie(user)
        for path in PATHS:
            expect("GET", path, {"Cookie": signed_in})
        for body in FORMS + [mutated(chance, FORMS) for _ in range(60)]:
            for path in ("/sign-in", "/compose", "/mail/INBOX", "/mail/INBOX/1"):
                for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "multipart/form-data", "text/plain"):
                    expect("POST", path, {"Content-Type": kind, "Origin": f"https://{HOST}:{port}", "Cookie": signed_in}, body)
        for cookie in ("session=x", "session=" + "A" * 3000, "session=%ff", "=", ";;;"):
            expect("GET", "/mail/INBOX", {"Cookie": cookie})
    return tally


def mutated(chance, bodies):
    body = bytearray(chance.choice([body for body in bodies if 0 < len(body) < 5000]))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(body))
        body[at : at + chance.randint(0, 5)] = chance.randbytes(chance.randint(0, 5))
        if not body:
            break
    return bytes(body)
