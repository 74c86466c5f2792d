"""Does what each line of standard input says, with packaging/clients/client.py; see shipped.sh."""

import sys

from client import Client, ShardflakeError

client = None
for line in sys.stdin:
    word, rest = line.split()
    try:
        if word == "client":
            client = Client(rest, timeout=30, patience=60)
        elif word == "hasty":
            client = Client(rest, timeout=1)
        else:
            ids = [client.next_id() for _ in range(int(rest))] if word == "one" else client.ids(int(rest))
            assert all(isinstance(each, str) for each in ids), ids
            print("\n".join(ids))
    except ShardflakeError as error:
        print(f"error {error.code or '-'} {error}")
    print("end", flush=True)
