import type { z } from "zod";
import type { Transport } from "../transport.ts";
import { modulePage } from "./search.ts";

export interface PageOptions {
  /** `next` of the page before. */
  cursor?: string;
  /** Items a page, at most. */
  limit?: number;
}

export type ModulePage = z.infer<typeof modulePage>;

export async function listModules(transport: Transport, options: PageOptions = {}): Promise<ModulePage> {
  return transport.call("GET", "v1/modules", modulePage, { query: { ...options } });
}
