import { buildApp } from "./app.ts";
import { openDatabase } from "./database/client.ts";
import { connectWorker } from "./gateway/worker-client.ts";
import { createIdentity } from "./identity/identity.ts";

/** The text of openapi/openapi.json: the API's routes as they are now. Nothing is started or stored. */
export async function openapiDocument(): Promise<string> {
  const database = await openDatabase({ kind: "postgresql", url: "postgres://nowhere.invalid/none" });
  const refuse = () => Promise.reject(new Error("nothing is stored while the API is described"));
  const worker = connectWorker({ url: "http://nowhere.invalid", token: "unused" });
  const app = await buildApp({
    database,
    store: {
      parts: { way: "hub", write: refuse },
      leastPartSize: 1,
      received: refuse,
      assemble: refuse,
      discardUpload: refuse,
      read: refuse,
      delete: refuse,
      list: refuse,
      check: refuse,
    },
    worker,
    identity: createIdentity(database, { admin: "unused", worker: undefined }),
    publicUrl: () => "",
    maxInferenceBytes: 0,
    describeOnly: true,
    logLevel: "silent",
  });
  try {
    await app.ready();
    return `${JSON.stringify(app.swagger(), null, 2)}\n`;
  } finally {
    await app.close();
    await worker.close();
    await database.close();
  }
}
