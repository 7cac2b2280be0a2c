import { MEMBER_ROLES } from "@modulehub/core";
import { z } from "zod";
import type { App, AppDeps } from "../app.ts";
import { listMembers, putMember, removeMember } from "../identity/members.ts";
import { pageQuery } from "./schemas.ts";

const member = z
  .object({
    account: z.string(),
    displayName: z.string(),
    role: z.enum(MEMBER_ROLES),
    createdAt: z.string(),
  })
  .meta({ id: "Member" });

const publisherParams = z.object({ publisher: z.string() });
const memberParams = publisherParams.extend({ account: z.string() });

/** Who has which role in a publisher. */
export function memberRoutes(app: App, { database, identity }: AppDeps): void {
  app.get(
    "/v1/publishers/:publisher/members",
    {
      config: { action: "member.read" },
      schema: {
        summary: "List a publisher's members by account",
        tags: ["publishers"],
        params: publisherParams,
        querystring: pageQuery,
        response: { 200: z.object({ items: z.array(member), next: z.string().optional() }) },
      },
    },
    async (request) =>
      listMembers(database.prisma, request.principal, request.params.publisher, request.query),
  );

  app.put(
    "/v1/publishers/:publisher/members/:account",
    {
      config: { action: "member.write" },
      schema: {
        summary: "Make an account a member, or give a member another role",
        tags: ["publishers"],
        params: memberParams,
        body: z.strictObject({ role: z.enum(MEMBER_ROLES) }),
        response: { 200: member, 201: member },
      },
    },
    async (request, reply) => {
      const wanted = { ...request.params, ...request.body };
      const { created, ...answer } = await identity.changing(() =>
        putMember(database, request.principal, wanted),
      );
      return reply.code(created ? 201 : 200).send(answer);
    },
  );

  app.delete(
    "/v1/publishers/:publisher/members/:account",
    {
      config: { action: "member.write" },
      schema: {
        summary: "End a membership",
        tags: ["publishers"],
        params: memberParams,
        response: { 204: z.null() },
      },
    },
    async (request, reply) => {
      await identity.changing(() => removeMember(database, request.principal, request.params));
      return reply.code(204).send(null);
    },
  );
}
