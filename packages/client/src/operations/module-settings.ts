import { parseModuleName, type Visibility } from "@modulehub/core";
import type { Transport } from "../transport.ts";
import { type FoundModule, modulePage } from "./search.ts";

/** What is to be changed of a module; what is left out stays. */
export interface ModuleSettings {
  visibility?: Visibility;
  /** Another name, in the same publisher or in another one that the token owns. The old one leads to it. */
  module?: string;
}

/** An answer about one module. */
export const moduleAnswer = modulePage.shape.items.element;

/** Changes who may see a module, or its name. Throws `name-taken`, `gone`, and as `Transport.call` does. */
export async function changeModule(
  transport: Transport,
  module: string,
  settings: ModuleSettings,
): Promise<FoundModule> {
  if (settings.module !== undefined) parseModuleName(settings.module);
  const path = `v1/modules/${parseModuleName(module)}`;
  // Sent twice, a rename finds the module under its new name, where there is nothing left to change.
  return transport.call("PUT", path, moduleAnswer, { body: settings, retry: "safe" });
}
