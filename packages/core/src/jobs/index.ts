export * from "./data-set.ts";
export * from "./figures.ts";
export * from "./job.ts";
export * from "./lineage.ts";
export * from "./request.ts";
export * from "./result.ts";
export * from "./worker-jobs.ts";
