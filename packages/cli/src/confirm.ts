import type { Context } from "./context.ts";
import { UsageError } from "./exit-code.ts";
import { ask } from "./prompt.ts";

/** Has the name typed of what is to be deleted for good; a UsageError where it is not, or nobody can be asked. */
export async function confirmDeletion(context: Context, name: string): Promise<void> {
  if (!context.input.isTTY)
    throw new UsageError(`Nobody can be asked here. To delete ${name} for good, add --yes.`);
  const typed = await ask(context, `${name} will be gone for good. Type its name to delete it: `);
  if (typed !== name) throw new UsageError("That is another name, and nothing was deleted.");
}
