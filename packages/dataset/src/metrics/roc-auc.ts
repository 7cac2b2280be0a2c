/**
 * Area under the ROC curve: how likely a positive example has a higher score than a negative one, an equal score
 * counting half (Mann and Whitney's U over the product of the counts). Undefined where one of the two kinds is missing.
 */
export function rocAuc(scores: ArrayLike<number>, positive: ArrayLike<number | boolean>): number | undefined {
  const count = scores.length;
  const order = Uint32Array.from({ length: count }, (_, at) => at).sort((a, b) => scores[a]! - scores[b]!);
  let [positives, ranks] = [0, 0];
  for (let from = 0, to = 0; from < count; from = to) {
    let tied = 0;
    for (; to < count && scores[order[to]!] === scores[order[from]!]; to++)
      if (positive[order[to]!]) tied += 1;
    positives += tied;
    // Ranks count from 1; equal scores have the mean of theirs.
    ranks += tied * ((from + 1 + to) / 2);
  }
  const negatives = count - positives;
  if (positives === 0 || negatives === 0) return undefined;
  return (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
}
