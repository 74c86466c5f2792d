"""Says of each UUID on its standard input: version, variant, and for version 7 its milliseconds."""

import sys

import uuid_utils

for line in sys.stdin:
    uuid = uuid_utils.UUID(line.strip())
    millis = uuid.timestamp if uuid.version == 7 else 0
    print(uuid, uuid.version, "true" if "RFC 4122" in uuid.variant else "false", millis)
