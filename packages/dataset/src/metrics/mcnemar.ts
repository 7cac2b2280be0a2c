/**
 * McNemar's exact test of two classifiers on the same examples: how likely it is that, if both were equally good, the
 * examples that only one has right would be parted at least as unevenly. Twice the binomial tail at ½, at most 1.
 */
export function mcnemar(onlyFirst: number, onlySecond: number): number {
  const n = onlyFirst + onlySecond;
  const least = Math.min(onlyFirst, onlySecond);
  if (n === 0) return 1;
  // ln of (n over least) ÷ 2ⁿ, then the terms below it relative to that: (n over k−1) = (n over k) · k ÷ (n − k + 1).
  let largest = -n * Math.LN2;
  for (let k = 1; k <= least; k++) largest += Math.log((n - least + k) / k);
  let [sum, term] = [1, 1];
  for (let k = least; k > 0 && term > Number.EPSILON * sum * 1e-3; k--) {
    term *= k / (n - k + 1);
    sum += term;
  }
  return Math.min(1, 2 * Math.exp(largest) * sum);
}
