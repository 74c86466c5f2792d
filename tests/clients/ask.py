"""Asks a server for the bounds of a span, with its ends written in each way that Python has."""

import sys
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

BEGIN = datetime(2025, 1, 1, tzinfo=timezone.utc)
END = BEGIN + timedelta(seconds=1, microseconds=250)


def bounds(begin, end):
    query = urllib.parse.urlencode({"from": begin, "to": end})
    with urllib.request.urlopen(f"{sys.argv[1]}/bounds?{query}") as reply:
        return reply.read()


expected = bounds("2025-01-01T00:00:00Z", "2025-01-01T00:00:01.000250Z")
for hours in (0, 1, -5, 5.75, -9.5):
    zone = timezone(timedelta(hours=hours))
    begin, end = BEGIN.astimezone(zone), END.astimezone(zone)
    for written in (datetime.isoformat, str):
        got = bounds(written(begin), written(end))
        assert got == expected, (written(begin), got)
