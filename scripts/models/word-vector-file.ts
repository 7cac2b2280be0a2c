/** A table of words and their vectors: row i of `rows` (n × dimensions, row-major) belongs to `words[i]`. */
export interface WordTable {
  readonly words: readonly string[];
  readonly dimensions: number;
  readonly rows: Float32Array;
}

const MAGIC = "MHWV0001";

/**
 * Writes a word table in the compact form `.mhwv` (examples/word-vectors/SOURCE.md): one float32 scale and
 * `dimensions` int8 a row, vector = scale · int8, scale = max|row| / 127.
 *
 * @returns the file's pieces, in order; large tables would not fit well into one buffer.
 * @throws RangeError for a word that holds a line feed (it is the separator) or a row that is not finite.
 */
export function encodeWordVectors(table: WordTable): Buffer[] {
  const { words, dimensions, rows } = table;
  if (rows.length !== words.length * dimensions)
    throw new RangeError(
      `${words.length} words need ${words.length * dimensions} numbers, not ${rows.length}`,
    );
  const broken = words.find((word) => word.includes("\n"));
  if (broken !== undefined) throw new RangeError(`the word ${JSON.stringify(broken)} holds a line feed`);

  const scales = Buffer.alloc(words.length * 4);
  const codes = Buffer.alloc(words.length * dimensions);
  for (let row = 0; row < words.length; row++) {
    const start = row * dimensions;
    let largest = 0;
    for (let i = start; i < start + dimensions; i++) {
      const magnitude = Math.abs(rows[i] ?? Number.NaN);
      if (!Number.isFinite(magnitude)) throw new RangeError(`the vector of ${words[row]} is not finite`);
      if (magnitude > largest) largest = magnitude;
    }
    // Rounded to float32 first, so that the codes fit the scale that is stored.
    const scale = Math.fround(largest / 127);
    scales.writeFloatLE(scale, row * 4);
    for (let i = start; i < start + dimensions; i++) {
      const code = scale === 0 ? 0 : Math.round((rows[i] ?? 0) / scale);
      codes.writeInt8(Math.max(-127, Math.min(127, code)), i);
    }
  }
  const header = Buffer.from(
    JSON.stringify({ words: words.length, dimensions, encoding: "int8-row-scale" }),
    "utf8",
  );
  const wordBlock = Buffer.from(words.join("\n"), "utf8");
  return [
    Buffer.from(MAGIC, "latin1"),
    u32(header.length),
    header,
    u32(wordBlock.length),
    wordBlock,
    scales,
    codes,
  ];
}

/**
 * The cosines between each row and what its code stands for: the error that the compact form makes.
 *
 * @param pieces what {@link encodeWordVectors} returned for this table
 */
export function codingCosines(table: WordTable, pieces: readonly Buffer[]): { least: number; mean: number } {
  const codes = pieces.at(-1) ?? Buffer.alloc(0);
  let least = 1;
  let sum = 0;
  for (let row = 0; row < table.words.length; row++) {
    let dot = 0;
    let squares = 0;
    let codeSquares = 0;
    for (let i = row * table.dimensions; i < (row + 1) * table.dimensions; i++) {
      const value = table.rows[i] ?? 0;
      const code = codes.readInt8(i); // the scale of the row cancels out
      dot += value * code;
      squares += value * value;
      codeSquares += code * code;
    }
    const cosine = squares === 0 ? 1 : dot / Math.sqrt(squares * codeSquares);
    least = Math.min(least, cosine);
    sum += cosine;
  }
  return { least, mean: sum / table.words.length };
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
