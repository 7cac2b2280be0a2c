import type { Action, Digest, ModuleName, Reference, Visibility } from "@modulehub/core";
import { ProblemError, publisherOf } from "@modulehub/core";
import type { Database } from "../database/client.ts";
import { allows, type Principal } from "../identity/principal.ts";
import { findModuleVersion } from "./versions.ts";

/** What the gateway needs to know of a handle. */
export interface Resolution {
  digest: Digest;
  version: number;
}

/** Tells which version a name and a reference mean, from memory where that is exact. */
export interface Resolver {
  resolve(principal: Principal, action: Action, name: ModuleName, reference: Reference): Promise<Resolution>;
  /** To be called, after the commit, by whatever changes what a reference means or who may see the module. */
  forget(name: ModuleName): void;
  /**
   * Makes such a change, and forgets: unless it was refused, also where it throws, for a commit may have come
   * through that was not heard of.
   */
  changing<T>(name: ModuleName, change: () => Promise<T>): Promise<T>;
}

const MODULES = 10_000;
const REFERENCES = 64;

interface Known {
  visibility: Visibility;
  references: Map<string, Resolution>;
}

/**
 * Remembers only where no other process writes the database: there every change passes through `forget`.
 * An answer that was looked up while a change was being made is not kept.
 */
export function createResolver(database: Database): Resolver {
  const known = new Map<ModuleName, Known>();
  let changes = 0;

  const forget = (name: ModuleName): void => {
    changes += 1;
    known.delete(name);
  };

  return {
    async resolve(principal, action, name, reference) {
      const key = keyOf(reference);
      const module = known.get(name);
      const remembered = module?.references.get(key);
      // Who may not is refused below, in the time that it takes where no such module is.
      if (
        module !== undefined &&
        remembered !== undefined &&
        allows(principal, action, { publisher: publisherOf(name), visibility: module.visibility })
      )
        return remembered;
      const changesBefore = changes;
      const found = await findModuleVersion(database.prisma, principal, action, name, reference);
      const resolution = { digest: found.version.digest as Digest, version: found.version.number };
      if (database.exclusive && changes === changesBefore) {
        const entry = known.get(name) ?? {
          visibility: found.module.visibility as Visibility,
          references: new Map(),
        };
        if (entry.references.size >= REFERENCES) entry.references.clear();
        if (known.size >= MODULES) known.delete(known.keys().next().value!);
        entry.references.set(key, resolution);
        known.set(name, entry);
      }
      return resolution;
    },
    forget,
    async changing(name, change) {
      try {
        const result = await change();
        forget(name);
        return result;
      } catch (error) {
        if (!(error instanceof ProblemError)) forget(name);
        throw error;
      }
    },
  };
}

function keyOf(reference: Reference): string {
  switch (reference.kind) {
    case "latest":
      return "";
    case "version":
      return String(reference.version);
    case "alias":
      return `@${reference.alias}`;
    case "digest":
      return reference.digest;
  }
}
