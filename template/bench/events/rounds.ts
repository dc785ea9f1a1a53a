const rounds = 5
export const eventsPerRound = 40_000
/** Sent or awaited at once. */
export const chunk = 500

/** Work on `eventsPerRound` events. @returns events a second. */
export type Side = () => Promise<number>

/** Events a second of some work on a round's events. */
export async function rate(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return (eventsPerRound * 1000) / (performance.now() - startedAt)
}

/** Where each chunk of a round begins. */
export const chunks = () => Array.from({ length: eventsPerRound / chunk }, (_, index) => index * chunk)

/** Lets the sides take turns and compares their medians with the first one's, a line for each. */
export async function compare(sides: Readonly<Record<string, Side>>): Promise<readonly string[]> {
  const rates = new Map(Object.keys(sides).map((name) => [name, [] as number[]]))
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(sides)) rates.get(name)?.push(await run())
  }
  const [base = []] = rates.values()
  return [...rates].map(([name, values]) => {
    const ratio = median(values.map((value, round) => value / (base[round] as number)))
    const perSecond = Math.round(median(values)).toLocaleString('en')
    return `  ${name.padEnd(44)} ${perSecond.padStart(9)} /s  ${ratio.toFixed(2)}`
  })
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] as number
}
