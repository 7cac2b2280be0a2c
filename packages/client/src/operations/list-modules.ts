import { z } from "zod";
import type { Transport } from "../transport.ts";

export interface PageOptions {
  /** `next` of the page before. */
  cursor?: string;
  /** Items a page, at most. */
  limit?: number;
}

const page = z.looseObject({
  items: z.array(z.looseObject({ module: z.string() })),
  next: z.string().optional(),
});
export type ModulePage = z.infer<typeof page>;

export async function listModules(transport: Transport, options: PageOptions = {}): Promise<ModulePage> {
  return transport.call("GET", "v1/modules", page, { query: { ...options } });
}
