export type * from "./example.ts";
export { dataFormat } from "./format.ts";
export { DATA_LIMITS } from "./limits.ts";
export { packFolder } from "./pack-folder.ts";
export { readDataset } from "./read-dataset.ts";
export { type SurveyOptions, surveyDataset } from "./survey/survey-dataset.ts";
