import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** What docker-compose.yml says, its anchors and variables' defaults filled in. */
const composeSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      image: z.string(),
      build: z.object({ context: z.string(), dockerfile: z.string() }).optional(),
      user: z.string().optional(),
      command: z.array(z.string()).default([]),
      entrypoint: z.array(z.string()).optional(),
      environment: z.record(z.string(), z.string()).default({}),
      depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
      ports: z.array(z.string()).default([]),
      volumes: z.array(z.string()).default([]),
      healthcheck: z.object({ test: z.array(z.string()) }).optional(),
      restart: z.string().optional(),
      init: z.boolean().optional(),
      read_only: z.boolean().optional(),
      mem_limit: z.string().optional(),
      cap_drop: z.array(z.string()).default([]),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});

export type Compose = z.output<typeof composeSchema>;
export type ComposeService = Compose["services"][string];

/** Reads docker-compose.yml of a folder as `docker compose` does where no variable is set. */
export function readCompose(root: string): Compose {
  const text = readFileSync(join(root, "docker-compose.yml"), "utf8");
  const filled = text.replace(/\$\{\w+:-([^}]*)\}/g, "$1");
  return composeSchema.parse(parse(filled, { merge: true }));
}
