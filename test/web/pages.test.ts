import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { call, cleanUp, ROOT, type RunningHub, startHub } from "../e2e/hub.ts";
import { publishFiles } from "../e2e/publish-files.ts";
import { openPage, startBrowser, type WatchedPage } from "./browser.ts";

/** The pages of a hub started by `npm start`, with its example modules, as Chromium shows them. */

let hub: RunningHub;
let browser: Browser;
beforeAll(async () => {
  [hub, browser] = await Promise.all([startHub(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

let watched: WatchedPage;
beforeEach(async () => {
  watched = await openPage(browser);
});
afterEach(() => watched.close());

const NNLM = "/modulehub/nnlm-en-dim100";
const CLASSIFIER = "/modulehub/imagenet/efficientnet-lite0/classification";
const FILTERED = "/?q=&task=text-embedding&tag=glove&language=en&language=de&sort=recent";
const PAGES = ["/", "/modulehub", "/?q=nnlm", FILTERED, NNLM, CLASSIFIER];
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

test("the page of nnlm says what it is, in the words of its card and manifest", async () => {
  const { page, complaints } = watched;
  await page.goto(hub.url + NNLM);
  const facts = await page.locator(".facts > div").evaluateAll((rows) => rows.map((row) => row.innerText));
  expect(Object.fromEntries(facts.map((fact) => fact.split("\n")))).toMatchObject({
    "Problem domain": "text",
    Publisher: "modulehub",
    Architecture: "NNLM",
    "Data sets": "wikipedia, gigaword",
    Language: "English",
    License: "pddl-1.0",
    Format: expect.stringMatching(/^ONNX, opset \d+$/),
  });
  await page.getByRole("heading", { level: 1, name: "English text embedding, 100 dimensions" }).waitFor();
  await page.getByRole("row", { name: "text string [batch]" }).waitFor();
  await page.getByRole("row", { name: "default float32 [batch, 100]" }).waitFor();
  expect(complaints).toEqual([]);
});

test("Copy URL puts the version's URL into the clipboard, and the URL is a module for programs", async () => {
  const { page, complaints } = watched;
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.goto(hub.url + NNLM);
  await page.getByRole("button", { name: "Copy URL" }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  const url = await page.evaluate<string>("navigator.clipboard.readText()");
  expect(url).toBe(`${hub.url}${NNLM}/1`);
  expect(await (await fetch(url)).json()).toMatchObject({ module: "modulehub/nnlm-en-dim100", version: 1 });
  expect(complaints).toEqual([]);
});

test("Download gives all files of the version as one archive, with the bytes that they were published with", async () => {
  const { page, complaints } = watched;
  await page.goto(hub.url + NNLM);
  const link = page.getByRole("link", { name: /^Download tar\.gz, [\d.]+ MB$/ });
  const download = page.waitForEvent("download");
  await link.click();
  const { path, suggestedFilename } = await download.then(async (started) => ({
    path: await started.path(),
    suggestedFilename: started.suggestedFilename(),
  }));
  expect(suggestedFilename).toBe("modulehub-nnlm-en-dim100-1.tar.gz");
  const { files } = (await (await call(hub, "GET", `/v1/modules${NNLM}/versions/1`)).json()) as {
    files: { path: string; digest: string }[];
  };
  const unpacked = (name: string) => execFileSync("tar", ["xzOf", path, name], { maxBuffer: 1_000_000_000 });
  const listed = execFileSync("tar", ["tzf", path], { encoding: "utf8" }).split("\n");
  expect(listed.filter((name) => name !== "" && !name.endsWith("/")).sort()).toEqual(
    files.map((file) => file.path).sort(),
  );
  for (const file of files)
    expect(`sha256:${createHash("sha256").update(unpacked(file.path)).digest("hex")}`).toBe(file.digest);
  expect(complaints).toEqual([]);
});

test("the box embeds texts, and what it shows is what the API answers", async () => {
  const { page, complaints } = watched;
  await page.goto(hub.url + NNLM);
  await page.getByLabel("Texts, one a line").fill("cat\ndog\nparliament");
  await page.getByRole("button", { name: "Run" }).click();
  const numbers = await page.getByRole("row", { name: /^cat -?\d/ }).innerText();
  const answer = await call(hub, "POST", `/v1/modules${NNLM}/embed`, {
    inputs: ["cat", "dog", "parliament"],
  });
  const { embeddings } = (await answer.json()) as { embeddings: [number[], number[], number[]] };
  const first = embeddings[0].slice(0, 6).map((value) => value.toFixed(4));
  expect(numbers).toContain(first.join(", "));
  const alike = await page.getByRole("row", { name: "2. dog" }).innerText();
  const cosine = (one: number[], other: number[]) =>
    one.reduce((sum, value, index) => sum + value * other[index]!, 0) /
    (Math.hypot(...one) * Math.hypot(...other));
  expect(alike.split("\t").slice(1)).toEqual(
    embeddings.map((other) => cosine(embeddings[1], other).toFixed(2)),
  );
  expect(complaints).toEqual([]);
});

test("the box classifies a picture of the visitor's, and the module's own", async () => {
  const { page, complaints } = watched;
  await page.goto(hub.url + CLASSIFIER);
  await page.getByLabel("A picture").setInputFiles(join(ROOT, "examples/photos/chelsea.png"));
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("row", { name: /cat/ }).first().waitFor();
  expect(await page.locator("#try-answer tbody tr").count()).toBe(5);
  await page.getByRole("button", { name: "Take the module’s example" }).click();
  await expect.poll(() => page.evaluate("document.querySelector('#try-input').files.length")).toBe(0);
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByRole("row", { name: /espresso/ }).waitFor();
  expect(complaints).toEqual([]);
});

test("a module that neither embeds nor classifies is tried with JSON, its example already there", async () => {
  const folder = join(ROOT, "examples/modules/nnlm-en-dim100");
  const manifest = JSON.parse(readFileSync(join(folder, "module.json"), "utf8")) as { task: string };
  manifest.task = "word-statistics";
  const model = await fetch(`${hub.url}/v1/modules${NNLM}/versions/1/files/model.onnx`);
  const draft = await publishFiles(hub, "modulehub/statistics", {
    "module.json": Buffer.from(JSON.stringify(manifest)),
    "model.onnx": new Uint8Array(await model.arrayBuffer()),
  });
  expect(draft, JSON.stringify(draft.problems)).toMatchObject({ state: "published" });
  const { page, complaints, close } = await openPage(browser, {
    extraHTTPHeaders: { authorization: `Bearer ${hub.token}` },
  });
  await page.goto(`${hub.url}/modulehub/statistics`);
  await page.getByText("The publisher has written no overview.").waitFor();
  await page.getByRole("button", { name: "Run" }).click();
  const answer = await page.locator("#try-answer pre").innerText();
  expect(JSON.parse(answer)).toMatchObject({ outputs: { default: { dtype: "float32", shape: [4, 100] } } });
  await page.getByLabel("The request, as JSON").fill("{no json");
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("(invalid-json)").waitFor();
  expect(complaints.filter((complaint) => !complaint.includes("400 (Bad Request)"))).toEqual([]);
  await close();
});

test("the box tells what the hub refused, and can be used again", async () => {
  const { page } = watched;
  await page.goto(hub.url + CLASSIFIER);
  await page.getByLabel("A picture").setInputFiles({
    name: "broken.png",
    mimeType: "image/png",
    buffer: Buffer.from("no picture"),
  });
  await page.getByRole("button", { name: "Run" }).click();
  await page.getByText("(image-invalid)").waitFor();
  await page.getByLabel("A picture").setInputFiles(join(ROOT, "examples/photos/coffee.webp"));
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("#try-answer table").waitFor();
});

test("the keyboard alone reaches and uses all of it, in the order of the page", async () => {
  const { page, complaints } = watched;
  await page.goto(hub.url + NNLM);
  const focused = () =>
    page.evaluate<string>(
      "(({id, tagName, textContent}) => id || tagName + ' ' + textContent.trim().slice(0, 20))(document.activeElement)",
    );
  const visible = () => page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle");
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("A Skip to content");
  await page.keyboard.press("Enter");
  expect(await focused()).toBe("content");
  const seen: string[] = [];
  for (let presses = 0; presses < 80 && seen.at(-1) !== "try-input"; presses += 1) {
    await page.keyboard.press("Tab");
    seen.push(await focused());
    expect(await visible(), seen.at(-1)).not.toBe("none");
  }
  expect(seen.indexOf("url")).toBeGreaterThan(-1);
  expect(seen.indexOf("copy-url")).toBe(seen.indexOf("url") + 1);
  await page.keyboard.press("Control+A");
  await page.keyboard.type("a cup of tea");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("row", { name: /^a cup of tea/ }).waitFor();
  expect(complaints).toEqual([]);
});

test("on a phone nothing is wider than the screen", async () => {
  const { page, close } = await openPage(browser, PHONE);
  for (const path of [...PAGES, "/no/such-module"]) {
    await page.goto(hub.url + path);
    expect(await page.evaluate("document.documentElement.scrollWidth"), path).toBe(360);
  }
  await page.goto(hub.url + NNLM);
  await page.getByRole("button", { name: "Run" }).tap();
  await page.locator("#try-answer table").first().waitFor();
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
  await close();
});

const axe = readFileSync(
  createRequire(join(ROOT, "services/web/package.json")).resolve("axe-core/axe.min.js"),
  "utf8",
);

test.each(["light", "dark"] as const)("axe finds no fault in the %s pages", async (colorScheme) => {
  for (const options of [{}, PHONE]) {
    const { page, complaints, close } = await openPage(browser, { ...options, colorScheme });
    for (const path of PAGES) {
      await page.goto(hub.url + path);
      if (path === NNLM || path === CLASSIFIER) {
        if (path === CLASSIFIER) {
          await page.getByRole("button", { name: "Take the module’s example" }).click();
          await page.getByAltText("The picture to try").waitFor();
        }
        await page.getByText("What the hub saw").click();
        await page.getByRole("button", { name: "Run" }).click();
        await page.locator("#try-answer table").first().waitFor();
      }
      await page.evaluate(axe);
      const violations = await page.evaluate<string[]>(
        "axe.run().then(({violations}) => violations.map(({id, nodes}) => id + ': ' + nodes.map(({html}) => html).join(' | ')))",
      );
      expect(violations, `${path} ${JSON.stringify(options)}`).toEqual([]);
    }
    expect(complaints).toEqual([]);
    await close();
  }
});

test("without scripts everything can still be read, searched and downloaded", async () => {
  const { page, close } = await openPage(browser, { javaScriptEnabled: false });
  await page.goto(hub.url);
  await page.getByRole("searchbox").fill("nnlm dim100");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("link", { name: "English text embedding, 100 dimensions", exact: true }).click();
  expect(page.url()).toBe(hub.url + NNLM);
  await page.getByText("The box to try the module needs JavaScript").waitFor();
  expect(await page.getByRole("button", { name: "Copy URL" }).isVisible()).toBe(false);
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "module.json" }).click();
  const path = await (await download).path();
  expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ schemaVersion: 1 });
  await close();
});

test("modules are found by filters that the keyboard reaches, without scripts too", async () => {
  for (const javaScriptEnabled of [true, false]) {
    const { page, complaints, close } = await openPage(browser, { javaScriptEnabled });
    await page.goto(hub.url);
    await page.getByText("Filters", { exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByLabel("Task").selectOption("text-embedding");
    await page.getByLabel("License").selectOption("pddl-1.0");
    await page.getByLabel("Language").selectOption({ label: "English (en)" });
    await page.getByLabel("Input").fill("text:string");
    await page.getByLabel("Sort").selectOption("recent");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 2, name: "Found" }).waitFor();
    const found = page.locator(".modules li");
    expect(await found.filter({ hasText: "English text embedding, 100 dimensions" }).count()).toBeGreaterThan(
      0,
    );
    expect(await found.filter({ hasText: "image-classification" }).count()).toBe(0);
    expect(await found.first().innerText()).toMatch(/pddl-1\.0 · English · version 1/);
    // What was chosen stands in the form of the page that came, and in its address.
    expect(await page.getByLabel("Task").inputValue()).toBe("text-embedding");
    expect(await page.getByLabel("Input").inputValue()).toBe("text:string");
    expect(new URL(page.url()).searchParams.get("license")).toBe("pddl-1.0");
    await page.getByRole("link", { name: "Clear filters" }).click();
    expect(page.url()).toBe(`${hub.url}/`);
    expect(complaints).toEqual([]);
    await close();
  }
});

test("errors are pages too, and the way back is on them", async () => {
  const { page } = watched;
  const answer = await page.goto(`${hub.url}/modulehub/no-such-module`);
  expect(answer?.status()).toBe(404);
  await page.getByRole("heading", { level: 1, name: /no such module/ }).waitFor();
  await page.getByRole("main").getByRole("link", { name: "All modules" }).click();
  expect(page.url()).toBe(`${hub.url}/`);
});

test("a hostile README, card and manifest run nothing in a browser", async () => {
  const hostile = `"><img src=x onerror="window.ran=1"><script>window.ran=1</script><svg onload=window.ran=1>`;
  const folder = join(ROOT, "examples/modules/nnlm-en-dim100");
  const manifest = JSON.parse(readFileSync(join(folder, "module.json"), "utf8")) as {
    signatures: Record<string, { description: string }>;
    examples: { title: string; inputs: unknown }[];
  };
  manifest.signatures.default!.description = hostile;
  manifest.examples = [
    { title: hostile.slice(0, 150), inputs: { text: [hostile, "</textarea></code></pre>", "'"] } },
  ];
  const model = await fetch(`${hub.url}/v1/modules${NNLM}/versions/1/files/model.onnx`);
  const readme = `---\ntitle: ${JSON.stringify(hostile)}\nlicense: ${JSON.stringify(hostile)}\n---\n# ${hostile}\n\n${hostile}\n\n[x](javascript:window.ran=1)\n\n![x](https://elsewhere.example/x.png)\n`;
  const draft = await publishFiles(hub, "modulehub/hostile", {
    "module.json": Buffer.from(JSON.stringify(manifest)),
    "model.onnx": new Uint8Array(await model.arrayBuffer()),
    "README.md": Buffer.from(readme),
  });
  expect(draft, JSON.stringify(draft.problems)).toMatchObject({ state: "published" });
  // The module is private: this browser sends the admin's token.
  const { page, complaints, close } = await openPage(browser, {
    extraHTTPHeaders: { authorization: `Bearer ${hub.token}` },
  });
  await page.goto(`${hub.url}/modulehub/hostile`);
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("#try-answer table").first().waitFor();
  expect(await page.evaluate("window.ran")).toBeUndefined();
  expect(await page.title()).toContain("onerror=");
  expect(complaints).toEqual([]);
  await close();
});
