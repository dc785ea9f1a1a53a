import { type Effect, type Ledger, type LedgerEvent, nameOf, type Write } from './ledger.ts'
import type { Answers } from './workload.ts'

export const numbers = ['writes', 'effects', 'order', 'left over'] as const
export type NumberName = (typeof numbers)[number]

/** One finding: which number it counts for, and what was found. */
export interface Finding {
  readonly number: NumberName
  readonly text: string
  readonly count: number
  readonly examples?: readonly string[]
}

/** When the event server lost what it had acknowledged, in milliseconds since 1970. */
export interface Loss {
  readonly fromMs: number
  readonly toMs: number
}

const maxExamples = 10

export interface Verdict {
  readonly counts: Readonly<Record<NumberName, number>>
  readonly findings: readonly Finding[]
  /** Events that came after a later one of their key, because the event server had lost them, and were dropped. */
  readonly superseded: number
}

/** The four numbers; README says exactly what each counts. */
export function judge(ledger: Ledger, answers: Answers, losses: readonly Loss[]): Verdict {
  const order = judgeOrder(ledger, losses)
  const findings = [
    ...judgeWrites(ledger, answers),
    ...judgeEffects(ledger),
    ...order.findings,
    ...Object.entries(ledger.leftOver).map(([text, count]) => finding('left over', text, count)),
  ].filter(({ count }) => count > 0)
  const sum = (name: NumberName) =>
    findings.filter(({ number }) => number === name).reduce((total, { count }) => total + count, 0)
  const counts = Object.fromEntries(numbers.map((name) => [name, sum(name)])) as Record<NumberName, number>
  return { counts, findings, superseded: order.superseded }
}

/** Nothing is under way any more: every event has had its effect, and nothing is left over that still moves. */
export function isDrained({ events, effects, deliveries, leftOver }: Ledger): boolean {
  const taken = new Set(effects.map(({ source, eventId }) => nameOf(source, eventId)))
  const settled = new Set(['parked outbox rows', 'parked', 'dead letters'])
  return (
    Object.entries(leftOver).every(([name, count]) => count === 0 || settled.has(name)) &&
    events.every(({ source, id }) => taken.has(nameOf(source, id)) && deliveries.has(nameOf(source, id)))
  )
}

function judgeWrites({ writes, events, entries }: Ledger, answers: Answers): readonly Finding[] {
  const eventsOf = countBy(events, identityOf)
  const writesOf = countBy(writes, identityOf)
  const committed = new Set(writes.map(({ correlationId }) => correlationId))
  const verified = new Set(writes.filter(({ type }) => type === 'user.verified').map(({ userId }) => userId))
  return [
    finding('writes', 'writes without an event', missing(writesOf, eventsOf)),
    finding('writes', 'events without a write', missing(eventsOf, writesOf)),
    finding('writes', 'writes with several events', several(eventsOf)),
    finding('writes', 'events that are in the stream several times', several(entries)),
    finding(
      'writes',
      'answered requests without a write',
      [...answers.acknowledged].filter((id) => !committed.has(id)).length +
        [...answers.verified].filter((id) => !verified.has(String(id))).length,
    ),
  ]
}

function judgeEffects({ events, effects, deliveries, profiles }: Ledger): readonly Finding[] {
  const effectsOf = countBy(effects, ({ source, eventId }) => nameOf(source, eventId))
  const known = countBy(events, ({ source, id }) => nameOf(source, id))
  const newest = new Map(events.map(({ key, sequence }) => [key, sequence]))
  return [
    finding('effects', 'events without an effect', missing(known, effectsOf)),
    finding('effects', 'effects of no event', missing(effectsOf, known)),
    finding('effects', 'events with several effects', several(effectsOf)),
    finding('effects', 'events never counted', missing(known, deliveries)),
    finding(
      'effects',
      'profiles that are not at their newest event',
      [...newest].filter(([key, sequence]) => profiles.get(key) !== sequence).length,
    ),
  ]
}

/**
 * An effect after one of a later event of its key, unless the event server lost what it had acknowledged while the event was
 * under way.
 */
function judgeOrder(
  { events, effects }: Ledger,
  losses: readonly Loss[],
): { findings: readonly Finding[]; superseded: number } {
  const byName = new Map<string, LedgerEvent>(events.map((event) => [nameOf(event.source, event.id), event]))
  const newest = new Map<string, Effect>()
  const violations: string[] = []
  let superseded = 0
  for (const effect of effects) {
    const before = newest.get(effect.key)
    if (before === undefined || effect.sequence > before.sequence) newest.set(effect.key, effect)
    if (before === undefined || effect.sequence >= before.sequence) continue
    const event = byName.get(nameOf(effect.source, effect.eventId))
    if (event !== undefined && wasUnderWay(event, effect, losses)) superseded++
    else violations.push(`${describe(event, effect)} after ${describe(undefined, before)}`)
  }
  const found = finding('order', 'effects after one of a later event', violations.length)
  return { findings: [{ ...found, examples: violations.slice(0, maxExamples) }], superseded }
}

function wasUnderWay({ sentAtMs, redriven }: LedgerEvent, { handledAtMs }: Effect, losses: readonly Loss[]) {
  return (
    redriven ||
    losses.some(({ fromMs, toMs }) => sentAtMs !== null && sentAtMs <= toMs && handledAtMs >= fromMs)
  )
}

function describe(event: LedgerEvent | undefined, { key, sequence, handledAtMs }: Effect): string {
  const time = (ms: number) => new Date(ms).toISOString()
  const sent = event?.sentAtMs ? ` sent ${time(event.sentAtMs)}` : ''
  return `${key} sequence ${sequence}${sent} handled ${time(handledAtMs)}`
}

function identityOf({ correlationId, userId, type }: Write) {
  return `${correlationId} ${type} ${userId}`
}

function countBy<T>(items: readonly T[], nameIt: (item: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(nameIt(item), (counts.get(nameIt(item)) ?? 0) + 1)
  return counts
}

function missing(wanted: ReadonlyMap<string, unknown>, found: ReadonlyMap<string, unknown>): number {
  return [...wanted.keys()].filter((name) => !found.has(name)).length
}

function several(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].filter((count) => count > 1).length
}

function finding(number: NumberName, text: string, count: number): Finding {
  return { number, text, count }
}
