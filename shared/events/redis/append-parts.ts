import { attributeOf, identityOf } from '../duplicates.ts'
import { type AppendOutcome, type AppendRun, type Fields, MAX_APPENDED } from '../transport.ts'

const MAX_LENGTH = 1024 * 1024

/** What one run of the script adds: as much as may keep the server from everybody else. */
export interface AppendPart {
  readonly entries: readonly Fields[]
  readonly identities: readonly string[]
  /** Of its first entries of a key, those whose key stands in an earlier part: their place, and the last one there. */
  readonly predecessors: readonly (readonly [place: number, identity: string])[]
}

/** Divides the entries of one call, in their order, behind those of the run that it belongs to. */
export function appendParts(entries: readonly Fields[], run?: AppendRun): readonly AppendPart[] {
  const identities = entries.map(identityOf)
  const parts: AppendPart[] = []
  const lastOf = run ?? new Map<string, string>()
  for (let from = 0; from < entries.length; ) {
    const to = endOfPart(entries, from)
    const whole = run === undefined && from === 0 && to === entries.length
    parts.push({
      entries: entries.slice(from, to),
      identities: identities.slice(from, to),
      predecessors: whole ? [] : predecessorsOf(entries.slice(from, to), identities.slice(from, to), lastOf),
    })
    from = to
  }
  return parts
}

/** What the script takes after its own options. */
export function argumentsOf({ entries, identities, predecessors }: AppendPart): readonly string[] {
  return [
    String(entries.length),
    String(predecessors.length),
    ...identities,
    ...predecessors.map(([, identity]) => identity),
    ...predecessors.map(([place]) => String(place)),
    ...entries.map((fields) => String(fields.length)),
    ...entries.flat(),
  ]
}

/** What the script says of one entry. */
export function outcomeOf(reply: string | undefined): AppendOutcome {
  switch (reply?.[0]) {
    case '=':
      return { ok: true, entryId: reply.slice(1), duplicate: true }
    case '#':
      return { ok: false, sent: 'full' }
    case '-':
      return { ok: false, sent: 'no', cause: new Error('an earlier event of its key was not sent') }
    case '!':
      return { ok: false, sent: 'no', cause: new Error(reply.slice(1)) }
    case undefined:
      return { ok: false, sent: 'maybe', cause: new Error('the event server gave no reply') }
    default:
      return { ok: true, entryId: reply as string }
  }
}

function endOfPart(entries: readonly Fields[], from: number): number {
  let length = 0
  let to = from
  while (to < entries.length && to - from < MAX_APPENDED) {
    for (const field of entries[to] as Fields) length += field.length
    if (length > MAX_LENGTH && to > from) break
    to++
  }
  return to
}

function predecessorsOf(
  entries: readonly Fields[],
  identities: readonly string[],
  lastOf: Map<string, string>,
): AppendPart['predecessors'] {
  const found: [number, string][] = []
  const here = new Map<string, string>()
  for (const [at, fields] of entries.entries()) {
    const key = attributeOf(fields, 'partitionkey')
    if (key === undefined) continue
    const before = here.has(key) ? undefined : lastOf.get(key)
    if (before) found.push([at + 1, before])
    here.set(key, identities[at] ?? '')
  }
  for (const [key, identity] of here) lastOf.set(key, identity)
  return found
}
