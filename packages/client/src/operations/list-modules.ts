import type { z } from "zod";
import type { Transport } from "../transport.ts";
import { modulePage, type SearchQuery } from "./search.ts";

export interface PageOptions {
  /** `next` of the page before. */
  cursor?: string;
  /** Items a page, at most. */
  limit?: number;
}

export interface ListOptions extends PageOptions, SearchQuery {
  /** Count the values of filters among the modules that fit; default false. */
  facets?: boolean;
}

export type ModulePage = z.infer<typeof modulePage>;

export async function listModules(transport: Transport, options: ListOptions = {}): Promise<ModulePage> {
  return transport.call("GET", "v1/modules", modulePage, { query: { ...options } });
}
