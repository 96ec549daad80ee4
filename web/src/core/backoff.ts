/** How long to wait before the next try: longer each time, never all clients at once. */

const FIRST = 500;
const LONGEST = 30_000;

/**
 * @param failures tries in a row that failed, at least 1
 * @param random between 0 and 1
 * @param asked what the other side wants at least, milliseconds
 */
export function backoff(failures: number, random: number, asked: number | null = null): number {
  const most = Math.min(LONGEST, FIRST * 2 ** (failures - 1));
  return Math.max(asked ?? 0, Math.round(most * (0.5 + random / 2)));
}
