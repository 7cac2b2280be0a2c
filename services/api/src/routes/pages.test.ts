import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, moduleFiles, publish, startTestHub, type TestHub } from "../testing/test-hub.ts";

let hub: TestHub;
beforeAll(async () => {
  hub = await startTestHub();
  await ask(hub, "POST", "/v1/publishers", { id: "acme", displayName: "Acme <Inc>" });
  const readme = "---\ntitle: Words in a plane\nlicense: mit\n---\n\nSee ![plot](images/plot.png).";
  const files = { ...moduleFiles("pages"), "README.md": readme, "images/plot.png": "not really" };
  await publish(hub, "acme/words/small", files, { visibility: "public", aliases: ["stable"] });
  await publish(hub, "acme/secret", files);
}, 60_000);
afterAll(() => hub.close());

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const get = async (path: string, headers: Record<string, string> = {}, method = "GET") => {
  const answer = await fetch(hub.url + path, { method, headers: { accept: BROWSER, ...headers } });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
};

test("a handle's URL is a page for a browser and JSON for a program", async () => {
  for (const path of ["/acme/words/small", "/acme/words/small/1", "/acme/words/small@stable"]) {
    const page = await get(path);
    expect(page.status, path).toBe(200);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(page.headers.get("vary")).toBe("Accept, Authorization, Cookie");
    expect(page.headers.get("cache-control")).toBe("no-cache");
    expect(page.text).toContain("Words in a plane");
    expect(page.text).toContain(`value="${hub.url}/acme/words/small/1"`);
    expect(page.text).toContain('src="/v1/modules/acme/words/small/versions/1/files/images/plot.png"');
    const json = await get(path, { accept: "*/*" });
    expect(JSON.parse(json.text)).toMatchObject({ handle: "acme/words/small/1" });
    expect(json.headers.get("vary")).toBe("Accept, Authorization, Cookie");
    expect(json.headers.get("etag")).not.toBe(page.headers.get("etag"));
  }
});

test("a page that has not changed is not sent again", async () => {
  for (const path of ["/acme/words/small/1", "/", "/acme"]) {
    const etag = (await get(path)).headers.get("etag")!;
    const again = await get(path, { "if-none-match": etag });
    expect(again, path).toMatchObject({ status: 304, text: "" });
    expect((await get(path, { "if-none-match": '"other"' })).status).toBe(200);
  }
});

test("HEAD answers with the page's headers", async () => {
  const head = await get("/acme/words/small/1", {}, "HEAD");
  expect(head).toMatchObject({ status: 200, text: "" });
  expect(head.headers.get("content-type")).toBe("text/html; charset=utf-8");
});

test("a private module looks like one that is not there, and is kept by no cache", async () => {
  // Besides the path, which the link to sign in comes back to.
  const shape = ({ status, text }: { status: number; text: string }) => ({
    status,
    text: text.replace(/request <code>[^<]*<\/code>|(?<=next=%2Facme%2F)\w+/g, ""),
  });
  const [secret, missing] = [await get("/acme/secret"), await get("/acme/nothing")];
  expect(shape(secret)).toEqual(shape(missing));
  expect(secret).toMatchObject({ status: 404 });
  expect(secret.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(secret.headers.get("cache-control")).toBe("no-store");
  const own = await get("/acme/secret", hub.admin);
  expect(own.status).toBe(200);
  expect(own.headers.get("cache-control")).toBe("private, no-store");
  for (const path of ["/", "/acme"]) {
    expect((await get(path)).text).not.toContain("acme/secret");
    const list = await get(path, hub.admin);
    expect(list.text).toContain("acme/secret");
    expect(list.headers.get("cache-control")).toBe("private, no-store");
  }
});

test("a token that is not known gets a page that says so", async () => {
  const refused = await get("/acme/secret", { authorization: "Bearer nonsense" });
  expect(refused.status).toBe(401);
  expect(refused.headers.get("www-authenticate")).toContain("Bearer");
  expect(refused.text).toContain("This token is not known here, or no longer.");
});

test("the front page finds modules by words of their name and task", async () => {
  expect((await get("/?q=WORDS+embedding")).text).toContain('href="/acme/words/small"');
  for (const query of ["words nowhere", "%", "_", "'", "\\"])
    expect((await get(`/?q=${encodeURIComponent(query)}`)).text, query).toContain("No module fits");
  expect((await get("/?q=%00")).status).toBe(400);
  expect((await get("/?cursor=damaged")).status).toBe(400);
  expect(JSON.parse((await get("/", { accept: "*/*" })).text)).toMatchObject({ code: "not-found" });
});

test("a publisher's page lists its modules; programs get JSON", async () => {
  const page = await get("/acme");
  expect(page.text).toContain("<h1><bdi>Acme &lt;Inc&gt;</bdi></h1>");
  expect(page.text).toContain('href="/acme/words/small"');
  expect(JSON.parse((await get("/acme", { accept: "*/*" })).text)).toMatchObject({ id: "acme" });
  expect((await get("/nobody")).status).toBe(404);
});

test("what pages need may be kept for ever, and only that is there", async () => {
  const { text } = await get("/");
  const addresses = [...new Set([...text.matchAll(/"(\/assets\/[^"]+)"/g)].map(([, address]) => address!))];
  expect(addresses).toHaveLength(3);
  for (const address of addresses) {
    const asset = await get(address);
    expect(asset.status).toBe(200);
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
  }
  expect((await get("/assets/page-0000000000000000.css")).status).toBe(404);
  expect((await get("/assets/..%2Fpackage.json")).status).toBe(400);
});

test("a README of any bytes, and none, leaves a page", async () => {
  const { "README.md": _, ...bare } = moduleFiles("without");
  await publish(hub, "acme/bare", bare, { visibility: "public" });
  expect((await get("/acme/bare")).text).toContain("written no overview");
  await publish(hub, "acme/cut", { ...bare, "README.md": "a\0b\ud800".repeat(9) }, { visibility: "public" });
  expect((await get("/acme/cut")).status).toBe(200);
});
