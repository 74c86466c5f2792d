/** IDs from the server at a URL, over one connection while each call awaits the one before. */
export class ShardflakeError extends Error {
  code?: string; // The server's word for what is wrong, if it gave one.
  constructor(message: string) {
    super(message);
    this.code = /"code":"(\w+)"/.exec(message)?.[1];
  }
}

export class Client {
  url: string;
  timeout = 5000; // Milliseconds, for a request,
  patience = 10_000; // and for a call with all its waits.
  constructor(url: string) {
    this.url = url;
  }
  nextId = async () => (await this.ask("/id"))[0];
  ids = (count: number) => this.ask(`/ids/${count}`);

  private async ask(path: string): Promise<string[]> {
    for (const end = performance.now() + this.patience; ; ) {
      const [reply, text] = await this.get(`${this.url}${path}?format=text`);
      if (reply.ok) return text.trim().split("\n");
      const wait = Number(reply.headers.get("Retry-After") ?? NaN) * 1000;
      if (!(performance.now() + wait <= end)) throw new ShardflakeError(`${this.url}: ${reply.status} ${text}`);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  private async get(url: string, again = true): Promise<[Response, string]> {
    try {
      const reply = await fetch(url, { signal: AbortSignal.timeout(this.timeout) });
      return [reply, await reply.text()];
    } catch (error) {
      const { name, cause } = error as Error;
      if (again && name !== "TimeoutError") return this.get(url, false); // It was idle for long, or restarted.
      throw new ShardflakeError(`${this.url}: ${cause ?? error}`);
    }
  }
}
