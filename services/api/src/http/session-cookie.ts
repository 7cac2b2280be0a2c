import type { FastifyRequest } from "fastify";

/**
 * The cookie of a browser that signed in. Over https its name has the prefix that keeps other hosts of the domain
 * from setting it (RFC 6265bis, section 4.1.3.2).
 */
const nameOf = (isSecure: boolean): string => (isSecure ? "__Host-modulehub" : "modulehub");

/** What a session's cookie says; undefined where there is none. */
export function sessionIn({ headers }: FastifyRequest, isSecure: boolean): string | undefined {
  const prefix = `${nameOf(isSecure)}=`;
  const found = headers.cookie?.split(";").find((part) => part.trim().startsWith(prefix));
  return found?.trim().slice(prefix.length);
}

/** `Set-Cookie` for a session of so many seconds; of none, it takes the cookie away. No script ever sees it. */
export const sessionCookie = (session: string, seconds: number, isSecure: boolean): string =>
  `${nameOf(isSecure)}=${session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${isSecure ? "; Secure" : ""}`;

/**
 * Whether a browser sends this request from one of the hub's own pages. Browsers say so in `Sec-Fetch-Site`; older
 * ones in `Origin`. What says neither does not count: a cookie alone never changes or computes anything.
 */
export function isFromOwnPage({ headers }: FastifyRequest, publicUrl: string): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  const origin = headers.origin;
  if (origin === undefined || !URL.canParse(origin)) return false;
  const own = URL.canParse(publicUrl) ? new URL(publicUrl).origin : undefined;
  return origin === own || new URL(origin).host === headers.host;
}
