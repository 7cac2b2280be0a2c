import { hash } from "node:crypto";
import { MEMBER_ROLES, type MemberRole, problem, ROLES } from "@modulehub/core";
import { z } from "zod";
import type { Database } from "../database/client.ts";
import { isAtLeast } from "./permissions.ts";
import { ADMIN, ANONYMOUS, type Principal, WORKER } from "./principal.ts";

/** Tells who sends a token. */
export interface Identity {
  /**
   * Who sends an `Authorization` header; without one, everyone. Throws `unauthenticated`, the same for a token that
   * was never issued, has expired or was revoked, and for one whose account is disabled.
   */
  authenticate(authorization: string | undefined): Principal | Promise<Principal>;
  /** Who holds a token of a kind: in a query, or a session's cookie. Throws as `authenticate` does. */
  authenticateToken(token: string, kind: TokenKind): Principal | Promise<Principal>;
  /** Makes a change to accounts, members, tokens or publishers: what was known before is forgotten then. */
  changing<T>(change: () => Promise<T>): Promise<T>;
  /** Writes down when tokens were last used, and deletes the sessions that are over. */
  recordUse(): Promise<void>;
}

export type TokenKind = "token" | "session";

/** Tokens that are remembered at most. */
const REMEMBERED = 10_000;

/** What is kept of a token: its hash, in hexadecimal. */
export const tokenHash = (token: string): string => hash("sha256", token);

interface Known {
  kind: TokenKind;
  principal: Principal;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/**
 * Identity by the tokens in the database, the admin's in its file, and the workers' shared one. Tokens are looked up
 * by their hash, so the time that it takes says nothing about them. Remembers only where no other process writes the
 * database: there every change passes through `changing`.
 */
export function createIdentity(
  database: Database,
  tokens: { admin: string; worker: string | undefined },
): Identity {
  const adminHash = tokenHash(tokens.admin);
  const fixed = new Map([[adminHash, ADMIN]]);
  if (tokens.worker !== undefined) fixed.set(tokenHash(tokens.worker), WORKER);
  const known = new Map<string, Known>();
  const used = new Map<string, Date>();
  let changes = 0;

  const markUsed = (principal: Principal, now: number): Principal => {
    if (principal.tokenId !== undefined) used.set(principal.tokenId, new Date(now));
    return principal;
  };

  const lookUp = async (digest: string, kind: TokenKind, now: number): Promise<Principal> => {
    const changesBefore = changes;
    const found = await findToken(database, { digest, kind, adminHash, now: new Date(now) });
    if (found === undefined) throw problem("unauthenticated", "This token is not known here, or no longer.");
    if (database.exclusive && changes === changesBefore) {
      if (known.size >= REMEMBERED) known.delete(known.keys().next().value!);
      known.set(digest, { ...found, kind });
    }
    return markUsed(found.principal, now);
  };

  const authenticateToken = (token: string, kind: TokenKind): Principal | Promise<Principal> => {
    const digest = tokenHash(token);
    const own = kind === "token" ? fixed.get(digest) : undefined;
    if (own !== undefined) return own;
    const now = Date.now();
    const remembered = known.get(digest);
    if (remembered !== undefined && remembered.kind === kind && remembered.expiresAt > now)
      return markUsed(remembered.principal, now);
    return lookUp(digest, kind, now);
  };

  return {
    authenticate(authorization) {
      if (authorization === undefined) return ANONYMOUS;
      const token = /^Bearer ([\w.~+/=-]{1,512})$/i.exec(authorization)?.[1];
      if (token === undefined)
        throw problem("unauthenticated", "The Authorization header must be: Bearer, a space, and the token.");
      return authenticateToken(token, "token");
    },
    authenticateToken,
    async changing(change) {
      try {
        return await change();
      } finally {
        // Also where it throws: a commit may have come through that was not heard of.
        changes += 1;
        known.clear();
      }
    },
    async recordUse() {
      await database.prisma.$executeRaw`
        DELETE FROM token WHERE kind = 'session' AND (revoked_at IS NOT NULL OR expires_at < now())`;
      const batch = [...used];
      used.clear();
      if (batch.length === 0) return;
      const ids = batch.map(([id]) => id);
      const times = batch.map(([, time]) => time.toISOString());
      await database.prisma.$executeRaw`
        UPDATE token SET last_used_at = u.at::timestamptz
        FROM unnest(${ids}::text[], ${times}::text[]) AS u(id, at) WHERE token.id = u.id`;
    },
  };
}

const tokenRow = z.object({
  id: z.string(),
  role: z.enum(ROLES),
  publisher_id: z.string().nullable(),
  expires_at: z.coerce.date().nullable(),
  account_id: z.string(),
  roles: z.record(z.string(), z.enum(MEMBER_ROLES)),
});

/** One query, whatever becomes of it: that a token was revoked is not told by the time that it takes. */
async function findToken(
  database: Database,
  wanted: { digest: string; kind: TokenKind; adminHash: string; now: Date },
): Promise<Omit<Known, "kind"> | undefined> {
  const now = wanted.now.toISOString();
  const rows = await database.prisma.$queryRaw<unknown[]>`
    SELECT t.id, t.role, t.publisher_id, t.account_id,
           LEAST(t.expires_at, p.expires_at) AS expires_at,
           (SELECT coalesce(jsonb_object_agg(m.publisher_id, m.role), '{}') FROM member m
            WHERE m.account_id = t.account_id AND (t.publisher_id IS NULL OR m.publisher_id = t.publisher_id)
           ) AS roles
    FROM token t JOIN account a ON a.id = t.account_id LEFT JOIN token p ON p.hash = t.parent_hash
    WHERE t.hash = ${wanted.digest} AND t.kind = ${wanted.kind} AND a.disabled_at IS NULL
      AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ${now}::timestamptz)
      AND (t.parent_hash IS NULL OR t.parent_hash = ${wanted.adminHash}
        OR (p.revoked_at IS NULL AND p.id IS NOT NULL
          AND (p.expires_at IS NULL OR p.expires_at > ${now}::timestamptz)))`;
  const row = tokenRow.optional().parse(rows[0]);
  if (row === undefined) return undefined;
  const isAdmin = row.account_id === ADMIN.account;
  return {
    principal: {
      who: isAdmin ? "admin" : "account",
      account: row.account_id,
      tokenId: row.id,
      cap: row.role,
      ...(row.publisher_id !== null && { limitedTo: row.publisher_id }),
      roles: new Map(Object.entries(row.roles).map(([id, role]) => [id, lower(role, row.role)])),
      caller: row.account_id,
    },
    expiresAt: row.expires_at?.getTime() ?? Number.POSITIVE_INFINITY,
  };
}

/** A role in a publisher, no higher than a token's cap. */
function lower(role: MemberRole, cap: z.infer<typeof tokenRow>["role"]): MemberRole {
  return cap === "admin" || isAtLeast(cap, role) ? role : cap;
}
