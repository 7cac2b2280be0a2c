import { join } from "node:path";

/**
 * A folder of real models, photos and texts, each with a SOURCE.md that says where it is from and what comes out
 * of it. Not committed: MODULEHUB_TEST_DATA names it where there is one.
 */
const FOLDER = process.env.MODULEHUB_TEST_DATA;

export const hasTestData = FOLDER !== undefined && FOLDER !== "";
if (!hasTestData)
  console.info("More real models are not checked: MODULEHUB_TEST_DATA names no folder of them.");

/** The path of something in that folder. */
export const testData = (...path: string[]): string => join(FOLDER ?? "", ...path);
