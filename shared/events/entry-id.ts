/** Entry ids are `<milliseconds since 1970>-<sequence>`, on every transport. */

/** Compares by time, then sequence. */
export function compareIds(a: string, b: string): number {
  const [aMs = '0', aSeq = '0'] = a.split('-')
  const [bMs = '0', bSeq = '0'] = b.split('-')
  return Number(aMs) - Number(bMs) || Number(BigInt(aSeq) - BigInt(bSeq))
}

/** The greatest id below the given one. */
export function idBefore(id: string): string {
  const [ms = '0', seq = '0'] = id.split('-')
  if (BigInt(seq) > 0n) return `${ms}-${BigInt(seq) - 1n}`
  return Number(ms) > 0 ? `${Number(ms) - 1}-18446744073709551615` : '0-0'
}

/** The id to start after, so that everything from a time on is read. */
export function idBeforeTime(ms: number): string {
  return idBefore(`${Math.max(0, Math.floor(ms))}-0`)
}

/** The id to read backwards from, so that nothing from a time on is read. There is no id before 0-1. */
export function firstIdOf(ms: number): string {
  return ms > 0 ? `${ms}-0` : '0-1'
}

/** Milliseconds since 1970, by the server's clock. */
export function millisecondsOf(id: string): number {
  return Number.parseInt(id, 10)
}
