/** Finding symbols by what somebody types: those that begin with it first, then those that contain it. */

import type { SymbolInfo } from "./api.js";

export function found(symbols: readonly SymbolInfo[], typed: string): readonly SymbolInfo[] {
  const wanted = typed.trim().toUpperCase();
  const rank = (info: SymbolInfo): number => {
    const name = info.symbol.toUpperCase();
    if (name === wanted) return 0;
    if (name.startsWith(wanted)) return 1;
    return name.includes(wanted) ? 2 : info.assetClass.toUpperCase().startsWith(wanted) ? 3 : -1;
  };
  return symbols
    .map((info) => ({ info, rank: rank(info) }))
    .filter((one) => one.rank >= 0)
    .sort((a, b) => a.rank - b.rank || a.info.symbol.localeCompare(b.info.symbol))
    .map((one) => one.info);
}

/** The index that an arrow key leads to; from the end to the beginning and back. */
export function moved(index: number, step: number, count: number): number {
  return count === 0 ? -1 : (index + step + count) % count;
}
