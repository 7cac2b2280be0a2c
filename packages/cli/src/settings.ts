import { z } from "zod";

/** What the environment may say; flags win. Empty counts as absent. */
export const settingsSchema = z.preprocess(
  (value) =>
    typeof value === "object" && value !== null
      ? Object.fromEntries(Object.entries(value).filter(([, text]) => text !== ""))
      : value,
  z.object({
    MODULEHUB_URL: z
      .string()
      .optional()
      .describe("Address of the hub; without it, the one that was logged in to, else http://127.0.0.1:8080."),
    MODULEHUB_TOKEN: z
      .string()
      .optional()
      .describe(
        "Token to call it with; without it, that of `modulehub login`, and for a hub on this machine the admin token of its data folder.",
      ),
    MODULEHUB_DATA: z.string().default(".modulehub").describe("Data folder of a hub on this machine."),
    MODULEHUB_HOST: z.string().default("127.0.0.1").describe("Where serve listens."),
    MODULEHUB_PORT: z.coerce
      .number()
      .int()
      .min(0)
      .max(65_535)
      .default(8080)
      .describe("Port of serve; 0: any."),
    XDG_CONFIG_HOME: z
      .string()
      .optional()
      .describe("Where modulehub/credentials.json lies; default ~/.config."),
  }),
);
export type Settings = z.infer<typeof settingsSchema>;
