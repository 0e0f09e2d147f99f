//! An event in and out over CalDAV (RFC 4791), a contact over CardDAV (RFC 6352), found as a device finds them that
//! knows no more than the host: `/.well-known`, the principal, its home, the first collection there.

use hyper::{Request, StatusCode, Uri, header};
use libdav::caldav::{
    CalendarComponent, FindCalendarHomeSet, FindCalendars, GetCalendarResources, ListCalendarResources,
    TimeRange,
};
use libdav::carddav::{FindAddressBookHomeSet, FindAddressBooks, GetAddressBookResources};
use libdav::dav::{
    Delete, FindPropertyHrefs, FoundCollection, ListResources, ListedResource, PutResource, mime_types,
};
use libdav::requests::DavRequest;
use libdav::{FetchedResource, names};

use crate::failure::{Cause, Doing, Failure};
use crate::http::{Connection, expect};
use crate::item::{Item, WHEN};
use crate::service::{Endpoint, Mailbox, Service};

/// What is kept in step with devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Calendar,
    Contacts,
}

impl Store {
    const fn well_known(self) -> &'static str {
        match self {
            Self::Calendar => "/.well-known/caldav",
            Self::Contacts => "/.well-known/carddav",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Contacts => "address book",
        }
    }

    const fn media(self) -> &'static str {
        match self {
            Self::Calendar => mime_types::CALENDAR,
            Self::Contacts => mime_types::ADDRESSBOOK,
        }
    }
}

/// A signed-in connection to one of the stores.
pub(crate) struct Dav<'a> {
    connection: Connection<'a>,
    base: Uri,
    store: Store,
}

impl<'a> Dav<'a> {
    /// Connects. Nothing is asked yet.
    pub async fn sign_in(
        service: &'a Service,
        at: &'a Endpoint,
        mailbox: &Mailbox,
        store: Store,
    ) -> Result<Self, Failure> {
        let mut connection = Connection::open(service, at).await?;
        connection.sign_in(mailbox);
        let base = connection.origin().parse::<Uri>();
        let base = base.map_err(|error| Cause::Found(error.to_string())).doing("name the service")?;
        Ok(Self { connection, base, store })
    }

    /// Puts an item into the first collection, finds it there, reads it as it was put, and takes it out again. What
    /// may be left when it fails is in `left`: the path of the item.
    pub async fn keep(&mut self, item: &Item, left: &mut Option<String>) -> Result<(), Failure> {
        let word = self.store.word();
        let collection = self.discover().await.doing(format!("find the {word} by its well-known address"))?;
        let path = format!("{}/{}", collection.trim_end_matches('/'), item.name);
        *left = Some(path.clone());
        let put = PutResource::new(&path).create(&*item.text, self.store.media());
        self.ask(put).await.doing(format!("put something into the {word}"))?;
        let found = self.list(&collection).await.doing(format!("look for it in the {word}"))?;
        let found = found.iter().any(|resource| resource.href.ends_with(&item.name));
        let missing = || Cause::Found("it is not there".to_owned());
        found.then_some(()).ok_or_else(missing).doing(format!("find it in the {word}"))?;
        let text = self.read(&collection, &path).await.doing(format!("read it from the {word}"))?;
        item.compare(&text).doing("find it as it was put")?;
        self.remove(&path).await?;
        *left = None;
        Ok(())
    }

    /// Removes an item. One that is not there is as good as removed.
    pub async fn remove(&mut self, path: &str) -> Result<(), Failure> {
        let what = format!("remove it from the {}", self.store.word());
        match self.ask(Delete::new(path).force()).await {
            Err(Cause::Http(StatusCode::NOT_FOUND | StatusCode::GONE)) => Ok(()),
            done => done.map(drop).doing(what),
        }
    }

    /// The path of the first collection.
    async fn discover(&mut self) -> Result<String, Cause> {
        let (head, _) = self.connection.get(self.store.well_known()).await?;
        let location = head.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
        // A service at the root need not redirect (RFC 6764 section 5).
        let context = match location.filter(|_| head.status.is_redirection()) {
            Some(location) => path(location)?,
            None => "/".to_owned(),
        };
        let principal =
            self.ask(FindPropertyHrefs::new(&context, &names::CURRENT_USER_PRINCIPAL)).await?.hrefs;
        let principal = first(principal, "the service names no principal")?.path().to_owned();
        let home = match self.store {
            Store::Calendar => self.ask(FindCalendarHomeSet::new(&principal)).await?.home_sets,
            Store::Contacts => self.ask(FindAddressBookHomeSet::new(&principal)).await?.home_sets,
        };
        let home = first(home, "the principal has no home")?.path().to_owned();
        let found: Vec<FoundCollection> = match self.store {
            Store::Calendar => self.ask(FindCalendars::new(&home)).await?.calendars,
            Store::Contacts => self.ask(FindAddressBooks::new(&home)).await?.addressbooks,
        };
        Ok(first(found, "there is none at its home")?.href)
    }

    /// What is in the collection: of a calendar what is at the time of the event, and at no other.
    async fn list(&mut self, collection: &str) -> Result<Vec<ListedResource>, Cause> {
        if self.store == Store::Contacts {
            return Ok(self.ask(ListResources::new(collection)).await?.resources);
        }
        let [start, end] = WHEN.map(|time| time.parse().map_err(|error| Cause::Found(format!("{error}"))));
        let during = TimeRange::Between(start?, end?);
        let events = ListCalendarResources::new(collection);
        let events = events.with_component_and_time_range(CalendarComponent::VEvent, during);
        Ok(self.ask(events).await?.resources)
    }

    async fn read(&mut self, collection: &str, path: &str) -> Result<String, Cause> {
        let fetched: Vec<FetchedResource> = match self.store {
            Store::Calendar => {
                self.ask(GetCalendarResources::new(collection).with_hrefs([path])).await?.resources
            }
            Store::Contacts => {
                self.ask(GetAddressBookResources::new(collection).with_hrefs([path])).await?.resources
            }
        };
        Ok(first(fetched, "it came without its text")?.content?.data)
    }

    async fn ask<R: DavRequest>(&mut self, request: R) -> Result<R::Response, Cause>
    where
        Cause: From<R::ParseError>,
    {
        let prepared = request.prepare_request(self.base.clone())?;
        let (head, body) = self.connection.send(prepared).await?;
        // The library takes some refusals for an answer without anything in it.
        if head.status == StatusCode::UNAUTHORIZED {
            return Err(Cause::Http(head.status));
        }
        Ok(request.parse_response(&head, &body)?)
    }
}

/// That nobody gets in without a name: a PROPFIND without credentials is refused (RFC 4918 section 9.1).
pub(crate) async fn is_locked(service: &Service, at: &Endpoint) -> Result<(), Failure> {
    let mut connection = Connection::open(service, at).await?;
    let what = "see a request without a password refused";
    let request = Request::builder().method("PROPFIND").uri("/").header("Depth", "0").body(String::new());
    let (head, _) = connection.send(request.map_err(Cause::from).doing(what)?).await.doing(what)?;
    expect(head.status, StatusCode::UNAUTHORIZED).doing(what)
}

fn first<T>(all: Vec<T>, none: &str) -> Result<T, Cause> {
    all.into_iter().next().ok_or_else(|| Cause::Found(none.to_owned()))
}

/// The path of a redirection, which may name the host as well.
fn path(location: &str) -> Result<String, Cause> {
    let uri = location.parse::<Uri>().map_err(|_| Cause::Found(format!("it leads to {location:?}")))?;
    Ok(uri.path().to_owned())
}
