"""IDs from a shardflake server, over one connection: give each thread a client of its own."""
import http.client
import time

class ShardflakeError(Exception):
    def __init__(self, message):
        super().__init__(message)  # With the server's word for what is wrong, if it gave one:
        self.code = message.partition('"code":"')[2].partition('"')[0]

class Client:
    def __init__(self, host="127.0.0.1:7001", timeout=5, patience=10):
        self.host, self.patience = host, patience  # Seconds for a call with all its waits.
        self.connection = http.client.HTTPConnection(host, timeout=timeout)  # For each read.

    def next_id(self):
        return self.ask("/id")[0]
    def ids(self, n):
        return self.ask(f"/ids/{n}")

    def ask(self, path):
        end = time.monotonic() + self.patience
        while True:
            reply, text = self.get(path + "?format=text")
            if reply.status == 200:
                return text.split()
            after = reply.getheader("Retry-After", "")
            if not after.isdigit() or time.monotonic() + int(after) > end:
                raise ShardflakeError(f"{self.host}: {reply.status} {text}")
            time.sleep(int(after))

    def get(self, path, again=True):
        try:
            self.connection.request("GET", path)
            reply = self.connection.getresponse()
            return reply, reply.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()  # The next request opens another.
            if again and not isinstance(error, TimeoutError):
                return self.get(path, again=False)  # It was idle for long, or the server restarted.
            raise ShardflakeError(f"{self.host}: {error!r}") from error
