import { MEMBER_ROLES, problem, type Role } from "@modulehub/core";
import { z } from "zod";
import type { Queries } from "../database/client.ts";
import { isAtLeast } from "./permissions.ts";
import { ADMIN, type Principal } from "./principal.ts";

/** Who had something done that goes on without them. */
export interface Absent {
  account: string;
  tokenId?: string;
  requestId?: string;
  /** What their token was capped at and limited to. */
  cap: Role;
  limitedTo?: string;
}

/**
 * The principal that an account amounts to now, for work that it had begun earlier: with the roles that it has today
 * and never more than the token could do that the work was begun with. Throws `forbidden` where the account is
 * disabled. That the token itself has expired or was revoked since changes nothing: the work was begun rightly.
 */
export async function actingFor(queries: Queries, absent: Absent): Promise<Principal> {
  const { account: id, tokenId, requestId, cap, limitedTo } = absent;
  const account = await queries.account.findUnique({ where: { id }, include: { members: true } });
  if (account === null || account.disabledAt !== null)
    throw problem("forbidden", `The account ${id} is disabled.`);
  const members = account.members.filter(
    ({ publisherId }) => limitedTo === undefined || publisherId === limitedTo,
  );
  const role = z.enum(MEMBER_ROLES);
  return {
    who: id === ADMIN.account ? "admin" : "account",
    account: id,
    cap,
    ...(tokenId !== undefined && { tokenId }),
    ...(requestId !== undefined && { requestId }),
    ...(limitedTo !== undefined && { limitedTo }),
    roles: new Map(
      members.map((member) => {
        const own = role.parse(member.role);
        return [member.publisherId, cap === "admin" || isAtLeast(cap, own) ? own : cap];
      }),
    ),
    caller: id,
  };
}
