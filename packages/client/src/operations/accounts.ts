import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer of `/v1/accounts`. */
export const accountAnswer = z.looseObject({
  id: z.string(),
  displayName: z.string(),
  createdAt: z.string(),
  disabledAt: z.string().optional(),
});
export type HubAccount = z.infer<typeof accountAnswer>;

export const accountPage = z.looseObject({ items: z.array(accountAnswer), next: z.string().optional() });
export type AccountPage = z.infer<typeof accountPage>;

/** Makes an account. Throws `invalid-name`, `name-taken`, and as `Transport.call` does. */
export async function createAccount(
  transport: Transport,
  id: string,
  displayName?: string,
): Promise<HubAccount> {
  return transport.call("POST", "v1/accounts", accountAnswer, { body: { id, displayName } });
}

/** A page of the accounts, by name. Throws as `Transport.call` does. */
export async function listAccounts(transport: Transport, options: PageOptions = {}): Promise<AccountPage> {
  return transport.call("GET", "v1/accounts", accountPage, { query: { ...options } });
}

/** Renames, disables or enables an account. Throws `account-not-found`, and as `Transport.call` does. */
export async function changeAccount(
  transport: Transport,
  id: string,
  change: { displayName?: string; disabled?: boolean },
): Promise<HubAccount> {
  const path = `v1/accounts/${encodeURIComponent(id)}`;
  return transport.call("PATCH", path, accountAnswer, { body: change, retry: "safe" });
}
