import { MEMBER_ROLES, ROLES, type Role } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

const token = z.looseObject({
  id: z.string(),
  account: z.string(),
  kind: z.enum(["token", "session"]),
  name: z.string(),
  role: z.enum(ROLES),
  publisher: z.string().optional(),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  lastUsedAt: z.string().optional(),
});
/** What a hub says of a token; never the token. */
export type HubToken = z.infer<typeof token>;

/** An answer of `POST /v1/tokens`: the only one that holds the token. */
export const createdToken = token.extend({ token: z.string() });
export type CreatedToken = z.infer<typeof createdToken>;

export const tokenPage = z.looseObject({ items: z.array(token), next: z.string().optional() });
export type TokenPage = z.infer<typeof tokenPage>;

/** An answer of `GET /v1/me`. */
export const meAnswer = z.looseObject({
  account: z.string(),
  displayName: z.string(),
  admin: z.boolean(),
  roles: z.record(z.string(), z.enum(MEMBER_ROLES)),
  token: z.looseObject({
    id: z.string().optional(),
    name: z.string(),
    role: z.enum(ROLES),
    publisher: z.string().optional(),
    expiresAt: z.string().optional(),
  }),
});
export type Me = z.infer<typeof meAnswer>;

export interface TokenOptions {
  /** Whose it is to be; only the admin may name another account. */
  account?: string;
  /** The most that it may do, whatever its account may. */
  role?: Role;
  /** The only publisher in which it has a role. */
  publisher?: string;
  expiresAt?: Date;
}

/** Whose token this is, and what it may. Throws `unauthenticated`, and as `Transport.call` does. */
export async function whoAmI(transport: Transport): Promise<Me> {
  return transport.call("GET", "v1/me", meAnswer);
}

/** Makes a token. Throws `forbidden` for more rights than one has, and as `Transport.call` does. */
export async function createToken(
  transport: Transport,
  name: string,
  { expiresAt, ...options }: TokenOptions = {},
): Promise<CreatedToken> {
  const body = { name, ...options, expiresAt: expiresAt?.toISOString() };
  return transport.call("POST", "v1/tokens", createdToken, { body });
}

/** A page of one's tokens, newest first; the admin may name an account. Throws as `Transport.call` does. */
export async function listTokens(
  transport: Transport,
  options: PageOptions & { account?: string } = {},
): Promise<TokenPage> {
  return transport.call("GET", "v1/tokens", tokenPage, { query: { ...options } });
}

/** Revokes a token by its id. Throws `token-not-found`, `forbidden`, and as `Transport.call` does. */
export async function revokeToken(transport: Transport, id: string): Promise<void> {
  await transport.call("DELETE", `v1/tokens/${encodeURIComponent(id)}`, z.unknown());
}
