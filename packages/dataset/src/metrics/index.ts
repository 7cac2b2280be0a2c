export { compareEvaluations } from "./comparison.ts";
export { type Evaluator, evaluatorFor } from "./evaluator.ts";
export { mcnemar } from "./mcnemar.ts";
export { type NeighbourRows, nearestNeighbour, sampleRows } from "./nearest-neighbour.ts";
export { rocAuc } from "./roc-auc.ts";
