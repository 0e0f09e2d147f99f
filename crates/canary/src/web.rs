//! The mail as a person sees it in a browser that runs no scripts: the form to sign in, the list, and the way out.

use hyper::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use hyper::http::response::Parts;
use hyper::{Request, StatusCode};

use crate::failure::{Cause, Doing, Failure};
use crate::http::{Connection, expect};
use crate::message::Mail;
use crate::service::{Endpoint, Mailbox, Service};

const SIGN_IN: &str = "/sign-in";
const SIGN_OUT: &str = "/sign-out";
const LIST: &str = "/mail/INBOX";

/// That the page lets the owner of a mailbox in, shows the mail, and shows nothing any more after signing out.
pub(crate) async fn shows(
    service: &Service,
    at: &Endpoint,
    mailbox: &Mailbox,
    mail: Option<&Mail>,
) -> Result<(), Failure> {
    let mut browser = Browser { connection: Connection::open(service, at).await?, cookies: Vec::new() };
    browser.page(SIGN_IN).await.doing("open the page to sign in")?;
    browser.sign_in(mailbox).await.doing(format!("sign in to the web page as {}", mailbox.address))?;
    let what = "find the mail on the web page";
    let page = browser.page(LIST).await.doing(what)?;
    if let Some(mail) = mail.filter(|mail| !page.contains(&mail.token)) {
        let cause = format!("{LIST} does not show {:?}", mail.token);
        return Err(Failure::new(what, Cause::Found(cause)));
    }
    browser.sign_out().await
}

/// A connection that keeps cookies (RFC 6265), as far as one site with a handful of them goes.
struct Browser<'a> {
    connection: Connection<'a>,
    cookies: Vec<(String, String)>,
}

impl Browser<'_> {
    async fn page(&mut self, path: &str) -> Result<String, Cause> {
        let (head, body) = self.ask(Request::get(path), String::new()).await?;
        expect(head.status, StatusCode::OK)?;
        Ok(body)
    }

    async fn sign_in(&mut self, mailbox: &Mailbox) -> Result<(), Cause> {
        let fields = [("address", mailbox.address.as_str()), ("password", mailbox.password.reveal())];
        let head = self.post(SIGN_IN, &fields).await?;
        match leads_to(&head) {
            Some(SIGN_IN) | None if head.status.is_client_error() || head.status.is_server_error() => {
                Err(Cause::Http(head.status))
            }
            // Back to the form is how many pages say that the password is wrong.
            Some(SIGN_IN) | None => Err(Cause::SignIn(head.status.to_string())),
            Some(_) => Ok(()),
        }
    }

    async fn sign_out(&mut self) -> Result<(), Failure> {
        let what = "sign out of the web page";
        let head = self.post(SIGN_OUT, &[]).await.doing(what)?;
        if leads_to(&head).is_none() {
            return Err(Failure::new(what, Cause::Http(head.status)));
        }
        let (head, _) = self.ask(Request::get(LIST), String::new()).await.doing(what)?;
        let told = format!("{LIST} still opens");
        (head.status != StatusCode::OK).then_some(()).ok_or(Cause::Found(told)).doing(what)
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Parts, Cause> {
        let pairs = fields.iter().map(|(name, value)| format!("{name}={}", percent(value)));
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            // A page that is asked from another site refuses (RFC 6454 section 7).
            .header(ORIGIN, self.connection.origin());
        Ok(self.ask(request, pairs.collect::<Vec<_>>().join("&")).await?.0)
    }

    async fn ask(
        &mut self,
        mut request: hyper::http::request::Builder,
        body: String,
    ) -> Result<(Parts, String), Cause> {
        if !self.cookies.is_empty() {
            let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
            request = request.header(COOKIE, pairs.collect::<Vec<_>>().join("; "));
        }
        let (head, body) = self.connection.send(request.body(body)?).await?;
        for cookie in head.headers.get_all(SET_COOKIE) {
            let mut parts = cookie.to_str().unwrap_or_default().split(';').map(str::trim);
            if let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) {
                self.cookies.retain(|(other, _)| other != name);
                // This is how a cookie is taken back (RFC 6265 section 3.1).
                if !parts.any(|part| part.eq_ignore_ascii_case("max-age=0")) {
                    self.cookies.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok((head, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// Where an answer to a form leads: a path, without what may follow it.
fn leads_to(head: &Parts) -> Option<&str> {
    let location = head.headers.get(LOCATION).filter(|_| head.status.is_redirection())?.to_str().ok()?;
    location.split('?').next()
}

/// Every octet but the few that a form leaves alone (WHATWG URL, application/x-www-form-urlencoded).
fn percent(value: &str) -> String {
    let octet = |octet: u8| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    };
    value.bytes().map(octet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_field_is_spelled_out() {
        assert_eq!(percent("a+b@c.test &=\"Ä"), "a%2Bb%40c.test%20%26%3D%22%C3%84");
    }
}
