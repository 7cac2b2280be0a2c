export type * from "./example.ts";
