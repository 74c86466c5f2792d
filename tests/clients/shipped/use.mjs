// Does what each line of standard input says, with packaging/clients/client.ts; see shipped.sh.
import { createInterface } from "node:readline";

const { Client, ShardflakeError } = await import(process.argv[2]);

async function ids(client, word, count) {
  if (word === "many") return client.ids(count);
  const all = [];
  while (all.length < count) all.push(await client.nextId());
  return all;
}

let client;
for await (const line of createInterface({ input: process.stdin })) {
  const [word, rest] = line.split(" ");
  if (word === "client" || word === "hasty") {
    client = new Client(`http://${rest}`);
    client.timeout = word === "hasty" ? 1000 : 30_000;
    client.patience = 60_000;
  } else {
    try {
      const all = await ids(client, word, Number(rest));
      if (!all.every((each) => typeof each === "string")) throw new TypeError("an ID is no string");
      console.log(all.join("\n"));
    } catch (error) {
      if (!(error instanceof ShardflakeError)) throw error;
      console.log("error", error.code ?? "-", error.message);
    }
  }
  console.log("end");
}
