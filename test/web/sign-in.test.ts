import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanUp, type RunningHub, startHub } from "../e2e/hub.ts";
import { publishFiles } from "../e2e/publish-files.ts";
import { openPage, startBrowser } from "./browser.ts";

/** Signing in with Chromium: what the browser really sends is what the hub goes by. */

let hub: RunningHub;
let browser: Browser;
beforeAll(async () => {
  [hub, browser] = await Promise.all([startHub(), startBrowser()]);
});
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

test("a visitor signs in from the page of a private module, tries it there, and signs out", async () => {
  const example = `${hub.url}/v1/modules/modulehub/nnlm-en-dim100/versions/1/files`;
  const file = async (name: string) =>
    new Uint8Array(await (await fetch(`${example}/${name}`)).arrayBuffer());
  const files = { "module.json": await file("module.json"), "model.onnx": await file("model.onnx") };
  const draft = await publishFiles(hub, "modulehub/hidden", files);
  expect(draft, JSON.stringify(draft.problems)).toMatchObject({ state: "published" });

  const { page, close } = await openPage(browser);
  const missing = await page.goto(`${hub.url}/modulehub/hidden`);
  expect(missing?.status()).toBe(404);
  await page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
  await page.getByLabel("Token").fill("mh_nothing");
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Token").fill(hub.token);
  await page.getByRole("main").getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${hub.url}/modulehub/hidden`);
  await page.getByText("Signed in as admin").waitFor();
  expect(await page.evaluate("document.cookie")).toBe("");
  await page.getByRole("button", { name: "Run" }).click();
  await page.locator("#try-answer table, #try-answer pre").first().waitFor();

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL(`${hub.url}/`);
  await page.getByRole("link", { name: "Sign in" }).waitFor();
  expect((await page.goto(`${hub.url}/modulehub/hidden`))?.status()).toBe(404);
  await close();
});
