/** Fractions of the picture. */
export type Box = [left: number, top: number, right: number, bottom: number];

/** Boxes that score above 0.7, the best of those that overlap by more than half (SOURCE.md, "Verified"). */
export function facesOf(scores: readonly number[], boxes: readonly number[]): Box[] {
  const found = Array.from({ length: boxes.length / 4 }, (_, index) => ({
    score: scores[index * 2 + 1]!,
    box: boxes.slice(index * 4, index * 4 + 4) as Box,
  }))
    .filter(({ score }) => score > 0.7)
    .sort((a, b) => b.score - a.score);
  const kept: Box[] = [];
  for (const { box } of found) if (kept.every((other) => overlap(box, other) <= 0.5)) kept.push(box);
  return kept;
}

function overlap(a: Box, b: Box): number {
  const area = ([left, top, right, bottom]: Box) => Math.max(0, right - left) * Math.max(0, bottom - top);
  const both = area([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return both / (area(a) + area(b) - both);
}
