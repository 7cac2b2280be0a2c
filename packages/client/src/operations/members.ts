import { MEMBER_ROLES, type MemberRole } from "@modulehub/core";
import { z } from "zod";
import type { Transport } from "../transport.ts";
import type { PageOptions } from "./list-modules.ts";

/** An answer of `PUT /v1/publishers/{publisher}/members/{account}`, and an item of the list. */
export const memberAnswer = z.looseObject({
  account: z.string(),
  displayName: z.string(),
  role: z.enum(MEMBER_ROLES),
  createdAt: z.string(),
});
export type PublisherMember = z.infer<typeof memberAnswer>;

export const memberPage = z.looseObject({ items: z.array(memberAnswer), next: z.string().optional() });
export type MemberPage = z.infer<typeof memberPage>;

const membersPath = (publisher: string): string => `v1/publishers/${encodeURIComponent(publisher)}/members`;

/** A page of a publisher's members, by account. Throws `not-found` to those who are none, and as `Transport.call`. */
export async function listMembers(
  transport: Transport,
  publisher: string,
  options: PageOptions = {},
): Promise<MemberPage> {
  return transport.call("GET", membersPath(publisher), memberPage, { query: { ...options } });
}

/** Gives an account a role in a publisher. Throws `account-not-found`, `last-owner`, and as `Transport.call` does. */
export async function setMember(
  transport: Transport,
  publisher: string,
  account: string,
  role: MemberRole,
): Promise<PublisherMember> {
  const path = `${membersPath(publisher)}/${encodeURIComponent(account)}`;
  return transport.call("PUT", path, memberAnswer, { body: { role }, retry: "safe" });
}

/** Ends a membership. Throws `member-not-found`, `last-owner`, and as `Transport.call` does. */
export async function removeMember(transport: Transport, publisher: string, account: string): Promise<void> {
  const path = `${membersPath(publisher)}/${encodeURIComponent(account)}`;
  await transport.call("DELETE", path, z.unknown());
}
