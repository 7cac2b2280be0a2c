import { fileURLToPath } from "node:url";

/** Where the services begin. They are processes of their own: nothing of them is imported here. */
export const mainOf = (service: "api" | "worker"): string =>
  fileURLToPath(import.meta.resolve(`@modulehub/${service}/main`));
