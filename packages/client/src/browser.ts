export * from "./calls.ts";
export { HubCalls as Hub } from "./hub-calls.ts";
