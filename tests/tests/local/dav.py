"""A person's calendar through python-caldav, as the programs that are built on it use one. Reads one line of JSON:
`url`, `user`, `password`, `authority`. Ends with 0, or with the assertion that did not hold."""

import json
import sys
from datetime import datetime, timedelta, timezone

import caldav
from caldav.lib import error


def at(day, hour=10):
    return datetime(2026, 3, day, hour, tzinfo=timezone.utc)


def summaries(found):
    return sorted(str(each.icalendar_component["summary"]) for each in found)


def events(calendar):
    once = calendar.add_event(dtstart=at(2), dtend=at(2, 11), summary="once", uid="once")
    calendar.add_event(
        dtstart=at(3), dtend=at(3, 11), summary="weekly", uid="weekly", rrule={"FREQ": "WEEKLY", "COUNT": 4}
    )
    calendar.add_event(dtstart=at(10).date(), dtend=at(11).date(), summary="a day", uid="day")

    def search(start, end, **options):
        return summaries(calendar.search(start=start, end=end, event=True, **options))

    assert search(at(2, 10), at(2, 11)) == ["once"]
    assert search(at(2, 11), at(2, 12)) == []
    assert search(at(10), at(11)) == ["a day", "weekly"], search(at(10), at(11))
    assert search(at(24), at(25)) == ["weekly"]
    assert search(at(25), at(30)) == [], "a fifth week"
    assert search(at(2), at(31), server_expand=True) == ["a day", "once"] + 4 * ["weekly"]
    assert summaries(calendar.search(event=True, summary="nce")) == ["once"]

    once.icalendar_component["summary"] = "changed"
    once.save()
    assert str(calendar.event_by_uid("once").icalendar_component["summary"]) == "changed"
    busy = calendar.freebusy_request(at(2), at(4)).data
    assert "20260302T100000Z/20260302T110000Z" in busy and "20260303T100000Z" in busy, busy
    try:
        calendar.save_event(once.data.replace("UID:once", "UID:other").replace("changed", "\x07"))
        raise AssertionError("a control character was taken")
    except error.AuthorizationError:  # so it names every 403
        pass


def tasks(calendar):
    task = calendar.add_todo(summary="task", due=at(5), uid="task")
    calendar.add_todo(summary="some day", uid="someday")
    assert summaries(calendar.todos()) == ["some day", "task"]
    assert summaries(calendar.search(todo=True, start=at(4), end=at(6))) == ["some day", "task"]
    task.complete()
    assert summaries(calendar.todos()) == ["some day"]
    assert summaries(calendar.todos(include_completed=True)) == ["some day", "task"]
    calendar.add_journal(summary="entry", dtstart=at(6).date(), uid="entry")
    assert summaries(calendar.journals()) == ["entry"]


def in_step(calendar):
    before = calendar.get_objects_by_sync_token(load_objects=True, disable_fallback=True)
    held = len(list(before))
    assert held == 6, held
    calendar.event_by_uid("once").delete()
    changed = calendar.event_by_uid("weekly")
    changed.icalendar_component["summary"] = "fortnightly"
    changed.save()
    added = calendar.add_event(dtstart=at(20), dtend=at(20) + timedelta(hours=1), summary="added", uid="added")
    paths = {
        each.url.path
        for each in calendar.get_objects_by_sync_token(sync_token=before.sync_token, disable_fallback=True)
    }
    assert paths >= {changed.url.path, added.url.path} and len(paths) <= 3, paths
    updated, deleted = before.sync()
    assert (len(list(updated)), len(list(deleted))) == (2, 1), (updated, deleted)
    updated, deleted = before.sync()
    assert (len(list(updated)), len(list(deleted))) == (0, 0), (updated, deleted)


def main():
    given = json.loads(sys.stdin.readline())
    client = caldav.DAVClient(
        given["url"], username=given["user"], password=given["password"], ssl_verify_cert=given["authority"]
    )
    assert client.check_cdav_support()
    principal = client.principal()
    assert [calendar.get_display_name() for calendar in principal.get_calendars()] == ["Calendar"]
    calendar = principal.make_calendar(name="Work", cal_id="work")
    assert calendar.get_display_name() == "Work"
    calendar.set_properties([caldav.elements.dav.DisplayName("Office")])
    # The calendar at hand remembers its old name.
    assert [each.get_display_name() for each in principal.get_calendars()] == ["Calendar", "Office"]
    events(calendar)
    tasks(calendar)
    in_step(calendar)
    calendar.delete()
    assert len(principal.get_calendars()) == 1


main()
